package io.clickstream;

import java.time.Instant;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.types.Row;

/**
 * The fastest jump from the places of other devices to an event's place: kilometres and minutes, null without one.
 *
 * <p>`jump(places, device, latitude, longitude, time, min_km)`: a jump is at least `min_km` long. `own_km` is the longest distance
 * between the event's place and another place of its own device. Distances by the haversine formula on a sphere of 6,371 km.
 */
@FunctionHint(output = @DataTypeHint("ROW<km BIGINT, minutes BIGINT, own_km BIGINT>"))
public class Jump extends ScalarFunction {
    private static final long serialVersionUID = 1;
    private static final long MINUTE = 60_000;

    public Row eval(
            @DataTypeHint("ARRAY<ROW<device STRING, latitude DOUBLE, longitude DOUBLE, millis BIGINT>>") Row[] places,
            String device,
            Double latitude,
            Double longitude,
            @DataTypeHint("TIMESTAMP_LTZ(3)") Instant time,
            Double minKm) {
        if (places == null || device == null || latitude == null || longitude == null) {
            return Row.of(null, null, null);
        }
        long bestSpeed = -1;
        Long bestKm = null;
        Long bestMillis = null;
        long ownKm = 0;
        for (Row place : places) {
            long km = kilometres((Double) place.getField(1), (Double) place.getField(2), cell(latitude), cell(longitude));
            if (device.equals(place.getField(0))) {
                ownKm = Math.max(ownKm, km);
                continue;
            }
            long millis = Math.max(0, time.toEpochMilli() - (Long) place.getField(3));
            long speed = km * MINUTE / (millis + MINUTE);
            if (km >= minKm && (speed > bestSpeed || (speed == bestSpeed && km > bestKm))) {
                bestSpeed = speed;
                bestKm = km;
                bestMillis = millis;
            }
        }
        return Row.of(bestKm, bestMillis == null ? null : bestMillis / MINUTE, ownKm);
    }

    /** Rounds a coordinate to 0.1 degrees. */
    static double cell(double degrees) {
        return Math.floor(degrees * 10 + 0.5) / 10;
    }

    private static long kilometres(double latitude, double longitude, double toLatitude, double toLongitude) {
        double half = Math.pow(Math.sin(Math.toRadians(toLatitude - latitude) / 2), 2)
                + Math.cos(Math.toRadians(latitude)) * Math.cos(Math.toRadians(toLatitude))
                        * Math.pow(Math.sin(Math.toRadians(toLongitude - longitude) / 2), 2);
        return (long) (12742 * Math.asin(Math.sqrt(Math.min(1, half))));
    }
}
