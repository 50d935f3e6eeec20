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
 * Parses a Kafka value and returns exactly one row: `fields`, the named fields of its JSON object as text in the order of the
 * names; `nested`, the name of a field that is an object or an array, or null; `size`, the bytes of the value.
 *
 * <p>`fields` is null when the value is larger than the limit, or is not one JSON object in UTF-8 with unique names.
 */
@FunctionHint(
        output = @DataTypeHint(value = "ROW<fields ARRAY<STRING>, nested STRING, size INT>", bridgedTo = RowData.class))
public class JsonFields extends TableFunction<RowData> {
    private static final long serialVersionUID = 1;
    private static final JsonFactory JSON = new JsonFactory();

    private transient CharsetDecoder utf8;
    private transient Map<String, Integer> positions;

    public void eval(@DataTypeHint("BYTES") byte[] value, String names, Integer limit) {
        if (positions == null) {
            open(names.split(","));
        }
        GenericRowData row = GenericRowData.of(null, null, value == null ? 0 : value.length);
        if (value != null && value.length <= limit) {
            read(value, row);
        }
        collect(row);
    }

    private void open(String[] names) {
        // This decoder reports malformed bytes, the default one hides them. Decoding before parsing also rejects UTF-16, UTF-32 and
        // a byte order mark, which a JSON parser would accept.
        utf8 = StandardCharsets.UTF_8.newDecoder();
        positions = new HashMap<>();
        for (String name : names) {
            positions.put(name, positions.size());
        }
    }

    private void read(byte[] value, GenericRowData row) {
        Object[] fields = new Object[positions.size()];
        Set<String> seenNames = new HashSet<>();
        try (JsonParser json = JSON.createParser(utf8.decode(ByteBuffer.wrap(value)).toString())) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return;
            }
            while (json.nextToken() != JsonToken.END_OBJECT) {
                if (!seenNames.add(json.currentName())) {
                    return;
                }
                readField(json, fields, row);
            }
            if (json.nextToken() == null) {
                row.setField(0, new GenericArrayData(fields));
            }
        } catch (IOException notJson) {
            // Not JSON: `fields` of the row stays null.
        }
    }

    private void readField(JsonParser json, Object[] fields, GenericRowData row) throws IOException {
        String name = json.currentName();
        Integer position = positions.get(name);
        JsonToken token = json.nextToken();
        if (position == null || token == JsonToken.VALUE_NULL) {
            json.skipChildren();
        } else if (token.isScalarValue()) {
            fields[position] = text(json);
        } else {
            fields[position] = StringData.fromString(token.asString());
            row.setField(1, StringData.fromString(name));
            json.skipChildren();
        }
    }

    /** Rejects the escape of half a surrogate pair: it is no character, and in UTF-8 it would silently become a question mark. */
    private static StringData text(JsonParser json) throws IOException {
        String text = json.getText();
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (!Character.isSurrogatePair(text.charAt(i), i + 1 < text.length() ? text.charAt(i + 1) : ' ')) {
                    throw new JsonParseException(json, "unpaired surrogate");
                }
                i++;
            }
        }
        return StringData.fromString(text);
    }
}
