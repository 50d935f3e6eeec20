package io.clickstream;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.api.dataview.MapView;
import org.apache.flink.table.functions.AggregateFunction;
import org.apache.flink.types.Row;

/**
 * The places of each device in a window, with the time of its last event there. A place is a cell of 0.1 degrees.
 *
 * <p>At most MAX_PLACES are kept, so that a key with many devices stays small; further ones are ignored until a place has left the
 * window.
 */
@FunctionHint(output = @DataTypeHint("ARRAY<ROW<device STRING, latitude DOUBLE, longitude DOUBLE, millis BIGINT>>"))
public class Places extends AggregateFunction<Row[], Places.State> {
    private static final long serialVersionUID = 1;
    private static final int MAX_PLACES = 100;

    /** The events at one place: how many are in the window, and the time of the last one. */
    public static class Visits {
        public String device;
        public double latitude;
        public double longitude;
        public long count;
        public long millis;
    }

    /** Flink state: the visits of each device at each place, and the number of entries. */
    public static class State {
        public MapView<String, Visits> visits = new MapView<>();
        public int size;
    }

    @Override
    public State createAccumulator() {
        return new State();
    }

    @Override
    public Row[] getValue(State state) {
        List<Row> rows = new ArrayList<>();
        try {
            for (Map.Entry<String, Visits> entry : state.visits.entries()) {
                Visits place = entry.getValue();
                rows.add(Row.of(place.device, place.latitude, place.longitude, place.millis));
            }
        } catch (Exception error) {
            throw new IllegalStateException("cannot read the places of the window", error);
        }
        return rows.toArray(new Row[0]);
    }

    public void accumulate(
            State state, String device, Double latitude, Double longitude, @DataTypeHint("TIMESTAMP_LTZ(3)") Instant time)
            throws Exception {
        if (device == null || latitude == null || longitude == null) {
            return;
        }
        String key = key(device, latitude, longitude);
        Visits place = state.visits.get(key);
        if (place == null) {
            if (state.size >= MAX_PLACES) {
                return;
            }
            place = new Visits();
            place.device = device;
            place.latitude = Jump.cell(latitude);
            place.longitude = Jump.cell(longitude);
            state.size++;
        }
        place.count++;
        place.millis = Math.max(place.millis, time.toEpochMilli());
        state.visits.put(key, place);
    }

    /** Removes an event that has left the window. The last event of a place leaves last, so its time stays right. */
    public void retract(
            State state, String device, Double latitude, Double longitude, @DataTypeHint("TIMESTAMP_LTZ(3)") Instant time)
            throws Exception {
        if (device == null || latitude == null || longitude == null) {
            return;
        }
        String key = key(device, latitude, longitude);
        Visits place = state.visits.get(key);
        if (place == null) {
            return;
        }
        place.count--;
        if (place.count > 0) {
            state.visits.put(key, place);
        } else {
            state.visits.remove(key);
            state.size--;
        }
    }

    private static String key(String device, double latitude, double longitude) {
        return Jump.cell(latitude) + " " + Jump.cell(longitude) + " " + device;
    }
}
