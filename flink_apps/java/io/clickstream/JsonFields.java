package io.clickstream;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParseException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.TableFunction;

/**
 * One Kafka value to exactly one row: the named fields of its JSON object as text, in the order of the names; the name of a
 * field that is an object or array, if one is; and the value's size. `fields` is null when the value is not one strict UTF-8
 * JSON object with unique names, or is larger than the limit.
 */
@FunctionHint(
        output = @DataTypeHint(value = "ROW<fields ARRAY<STRING>, nested STRING, size INT>", bridgedTo = RowData.class))
public class JsonFields extends TableFunction<RowData> {
    private static final long serialVersionUID = 1;
    private static final JsonFactory JSON = new JsonFactory();

    private transient CharsetDecoder utf8;
    private transient Map<String, Integer> places;

    public void eval(@DataTypeHint("BYTES") byte[] value, String names, Integer limit) {
        if (places == null) {
            open(names.split(","));
        }
        GenericRowData row = GenericRowData.of(null, null, value == null ? 0 : value.length);
        if (value != null && value.length <= limit) {
            read(value, row);
        }
        collect(row);
    }

    private void open(String[] names) {
        // The default decoder replaces broken bytes; this one reports them. Decoding before parsing also refuses what a JSON
        // parser would guess from the first bytes: UTF-16, UTF-32 and the byte order mark.
        utf8 = StandardCharsets.UTF_8.newDecoder();
        places = new HashMap<>();
        for (String name : names) {
            places.put(name, places.size());
        }
    }

    private void read(byte[] value, GenericRowData row) {
        Object[] fields = new Object[places.size()];
        Set<String> seen = new HashSet<>();
        try (JsonParser json = JSON.createParser(utf8.decode(ByteBuffer.wrap(value)).toString())) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return;
            }
            while (json.nextToken() != JsonToken.END_OBJECT) {
                if (!seen.add(json.currentName())) {
                    return;
                }
                readField(json, fields, row);
            }
            if (json.nextToken() == null) {
                row.setField(0, new GenericArrayData(fields));
            }
        } catch (IOException notJson) {
            // the row keeps its null fields, which says so
        }
    }

    private void readField(JsonParser json, Object[] fields, GenericRowData row) throws IOException {
        String name = json.currentName();
        Integer place = places.get(name);
        JsonToken token = json.nextToken();
        if (place == null || token == JsonToken.VALUE_NULL) {
            json.skipChildren();
        } else if (token.isScalarValue()) {
            fields[place] = text(json);
        } else {
            fields[place] = StringData.fromString(token.asString());
            row.setField(1, StringData.fromString(name));
            json.skipChildren();
        }
    }

    /** The escape of half a surrogate pair is no character: stored as UTF-8 it would silently turn into a question mark. */
    private static StringData text(JsonParser json) throws IOException {
        String text = json.getText();
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
