package io.clickstream;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonGenerator;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParseException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.TableFunction;

/**
 * One Kafka value to exactly one row: the fields of its JSON object as text by name, those among them that are objects or
 * arrays once more (null when there are none), and its size. `fields` is null when the value is not one strict UTF-8 JSON
 * object with unique names, or is larger than the limit.
 */
@FunctionHint(
        output =
                @DataTypeHint(
                        value = "ROW<fields MAP<STRING, STRING>, nested MAP<STRING, STRING>, size INT>",
                        bridgedTo = RowData.class))
public class JsonFields extends TableFunction<RowData> {
    private static final JsonFactory JSON = new JsonFactory();

    // The default decoder replaces broken bytes; this one reports them. It also refuses what a JSON parser would guess
    // from the first bytes: UTF-16, UTF-32 and the byte order mark.
    private transient CharsetDecoder utf8;

    public void eval(@DataTypeHint("BYTES") byte[] value, Integer limit) {
        GenericRowData row = GenericRowData.of(null, null, value == null ? 0 : value.length);
        if (value != null && value.length <= limit) {
            read(value, row);
        }
        collect(row);
    }

    private void read(byte[] value, GenericRowData row) {
        Map<StringData, StringData> fields = new HashMap<>(64);
        Map<StringData, StringData> nested = new HashMap<>(0);
        try (JsonParser json = JSON.createParser(decode(value))) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return;
            }
            while (json.nextToken() != JsonToken.END_OBJECT) {
                readField(json, fields, nested);
            }
            if (json.nextToken() == null) {
                row.setField(0, new GenericMapData(fields));
                row.setField(1, nested.isEmpty() ? null : new GenericMapData(nested));
            }
        } catch (IOException notJson) {
            // the row keeps its null fields, which says so
        }
    }

    private String decode(byte[] value) throws IOException {
        if (utf8 == null) {
            utf8 = StandardCharsets.UTF_8.newDecoder();
        }
        return utf8.decode(ByteBuffer.wrap(value)).toString();
    }

    private static void readField(JsonParser json, Map<StringData, StringData> fields, Map<StringData, StringData> nested)
            throws IOException {
        StringData name = text(json, json.currentName());
        JsonToken token = json.nextToken();
        boolean scalar = token.isScalarValue();
        StringData value = token == JsonToken.VALUE_NULL ? null : text(json, scalar ? json.getText() : copy(json));
        // a null stays in the map, so that a second value of the same name is seen
        if (fields.containsKey(name)) {
            throw new JsonParseException(json, "duplicate name");
        }
        fields.put(name, value);
        if (!scalar) {
            nested.put(name, value);
        }
    }

    private static String copy(JsonParser json) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator generator = JSON.createGenerator(text)) {
            generator.copyCurrentStructure(json);
        }
        return text.toString();
    }

    /** The escape of half a surrogate pair is no character: stored as UTF-8 it would silently turn into a question mark. */
    private static StringData text(JsonParser json, String text) throws IOException {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (!Character.isSurrogatePair(text.charAt(i), i + 1 < text.length() ? text.charAt(i + 1) : ' ')) {
                    throw new JsonParseException(json, "half a surrogate pair");
                }
                i++;
            }
        }
        return StringData.fromString(text);
    }
}
