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
 * Makes a list of recommendations from the products that a user viewed last, and keeps the neighbours of all products.
 *
 * <p>A row holds either the viewed products, oldest first, or a product with its neighbours as JSON; null neighbours remove the
 * product. A candidate's score is the sum of its weights as a neighbour of the viewed products; the view k steps before the last
 * counts decay^k. The list holds the `length` candidates with the highest scores, of equal scores the smaller id first.
 */
@FunctionHint(output = @DataTypeHint("ROW<items ARRAY<STRING>, updated_at BIGINT>"))
public class RecommendationList extends AggregateFunction<Row, RecommendationList.State> {
    private static final long serialVersionUID = 1;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Comparator<Map.Entry<String, Double>> HIGHEST_SCORE_FIRST =
            Map.Entry.<String, Double>comparingByValue(Comparator.reverseOrder()).thenComparing(Map.Entry.comparingByKey());

    /** The neighbours of one product. */
    public static class Neighbours {
        public String[] ids;
        public Double[] weights;
    }

    /** Flink state: the neighbours of each product, and the list of the last row. */
    public static class State {
        public MapView<String, Neighbours> neighbours = new MapView<>();
        public String[] items;
    }

    @Override
    public State createAccumulator() {
        return new State();
    }

    @Override
    public Row getValue(State state) {
        return Row.of(state.items, System.currentTimeMillis());
    }

    public void accumulate(State state, String[] viewed, String product, String neighbours, Double decay, Integer length)
            throws Exception {
        if (viewed != null) {
            state.items = highestScores(scores(state, viewed, decay), length);
            return;
        }
        state.items = null;
        if (product != null) {
            updateNeighbours(state, product, neighbours);
        }
    }

    private static void updateNeighbours(State state, String product, String json) throws Exception {
        if (json == null) {
            state.neighbours.remove(product);
            return;
        }
        Neighbours neighbours = parse(json);
        if (neighbours != null) {
            state.neighbours.put(product, neighbours);
        }
    }

    /** Returns null for a value that cannot be parsed: one bad record must not stop the stream. */
    private static Neighbours parse(String json) {
        try {
            JsonNode items = JSON.readTree(json).path("neighbours");
            if (!items.isArray()) {
                return null;
            }
            Neighbours neighbours = new Neighbours();
            neighbours.ids = new String[items.size()];
            neighbours.weights = new Double[items.size()];
            for (int i = 0; i < items.size(); i++) {
                neighbours.ids[i] = items.get(i).path("id").asText();
                neighbours.weights[i] = items.get(i).path("weight").asDouble();
            }
            return neighbours;
        } catch (IOException notJson) {
            return null;
        }
    }

    private static Map<String, Double> scores(State state, String[] viewed, double decay) throws Exception {
        Map<String, Double> scores = new HashMap<>();
        double viewWeight = 1;
        for (int i = viewed.length - 1; i >= 0; i--) {
            Neighbours neighbours = state.neighbours.get(viewed[i]);
            if (neighbours != null) {
                for (int j = 0; j < neighbours.ids.length; j++) {
                    scores.merge(neighbours.ids[j], viewWeight * neighbours.weights[j], Double::sum);
                }
            }
            viewWeight *= decay;
        }
        return scores;
    }

    private static String[] highestScores(Map<String, Double> scores, int length) {
        List<Map.Entry<String, Double>> entries = new ArrayList<>(scores.entrySet());
        entries.sort(HIGHEST_SCORE_FIRST);
        return entries.stream().limit(length).map(Map.Entry::getKey).toArray(String[]::new);
    }
}
