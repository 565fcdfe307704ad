/** Spins below a few Java frames. Usage: Spin SECONDS */
public class Spin {
  static long sink;

  static void leaf(int rounds) {
    for (int i = 0; i < rounds; i++) sink = sink * 6364136223846793005L + 1;
  }

  static void level(int depth) {
    if (depth == 0) leaf(20000);
    else level(depth - 1);
  }

  public static void main(String[] words) {
    long end = System.nanoTime() + (long) (Double.parseDouble(words[0]) * 1e9);
    while (System.nanoTime() < end) level(6);
  }
}
