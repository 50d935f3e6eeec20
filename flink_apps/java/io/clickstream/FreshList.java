package io.clickstream;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.api.dataview.MapView;
import org.apache.flink.table.functions.AggregateFunction;
import org.apache.flink.types.Row;

/**
 * Learns the neighbours of products, and turns the products that a user viewed last into a list of recommendations. A row either
 * holds the viewed products, oldest first, or a product with its neighbours as JSON; null neighbours mean that it has none any more.
 *
 * <p>A candidate's score is the sum of its weights as a neighbour of the viewed products, where the newest view counts fully and each
 * step back `decay` times as much. The list holds the `length` best candidates, of equal ones the smaller id first.
 */
@FunctionHint(output = @DataTypeHint("ROW<items ARRAY<STRING>, updated_at BIGINT>"))
public class FreshList extends AggregateFunction<Row, FreshList.Known> {
    private static final long serialVersionUID = 1;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Comparator<Map.Entry<String, Double>> BEST_FIRST =
            Map.Entry.<String, Double>comparingByValue(Comparator.reverseOrder()).thenComparing(Map.Entry.comparingByKey());

    /** A product's neighbours. */
    public static class Neighbours {
        public String[] ids;
        public Double[] weights;
    }

    /** All neighbours known, and the last list made; both are Flink's state. */
    public static class Known {
        public MapView<String, Neighbours> neighbours = new MapView<>();
        public String[] items;
    }

    @Override
    public Known createAccumulator() {
        return new Known();
    }

    @Override
    public Row getValue(Known known) {
        return Row.of(known.items, System.currentTimeMillis());
    }

    public void accumulate(Known known, String[] viewed, String product, String neighbours, Double decay, Integer length)
            throws Exception {
        known.items = viewed == null ? null : best(scores(known, viewed, decay), length);
        if (viewed == null && product != null) {
            learn(known, product, neighbours);
        }
    }

    private static void learn(Known known, String product, String neighbours) throws Exception {
        if (neighbours == null) {
            known.neighbours.remove(product);
            return;
        }
        Neighbours found = parse(neighbours);
        if (found != null) {
            known.neighbours.put(product, found);
        }
    }

    /** What cannot be read is passed over: the publisher is the only writer, and a stream must not stop for one value. */
    private static Neighbours parse(String json) {
        try {
            JsonNode listed = JSON.readTree(json).path("neighbours");
            Neighbours found = new Neighbours();
            found.ids = new String[listed.size()];
            found.weights = new Double[listed.size()];
            for (int i = 0; i < listed.size(); i++) {
                found.ids[i] = listed.get(i).path("id").asText();
                found.weights[i] = listed.get(i).path("weight").asDouble();
            }
            return listed.isArray() ? found : null;
        } catch (IOException notJson) {
            return null;
        }
    }

    private static Map<String, Double> scores(Known known, String[] viewed, double decay) throws Exception {
        Map<String, Double> scores = new HashMap<>();
        double share = 1;
        for (int i = viewed.length - 1; i >= 0; i--) {
            Neighbours near = known.neighbours.get(viewed[i]);
            for (int j = 0; near != null && j < near.ids.length; j++) {
                scores.merge(near.ids[j], share * near.weights[j], Double::sum);
            }
            share *= decay;
        }
        return scores;
    }

    private static String[] best(Map<String, Double> scores, int length) {
        List<Map.Entry<String, Double>> order = new ArrayList<>(scores.entrySet());
        order.sort(BEST_FIRST);
        return order.stream().limit(length).map(Map.Entry::getKey).toArray(String[]::new);
    }
}
