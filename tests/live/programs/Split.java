/** Three parts of the work in one method, one in another. Usage: Split SECONDS */
public class Split {
  static long sink;

  static long spin(long from, int rounds) {
    for (int i = 0; i < rounds; i++) from = from * 6364136223846793005L + 1;
    return from;
  }

  static void heavy() {
    sink = spin(sink, 300000);
  }

  static void light() {
    sink = spin(sink, 100000);
  }

  static void work() {
    heavy();
    light();
  }

  public static void main(String[] words) {
    long start = System.nanoTime();
    boolean told = false;
    while (System.nanoTime() - start < (long) (Double.parseDouble(words[0]) * 1e9)) {
      work();
      if (!told && System.nanoTime() - start > 1_000_000_000L) { // everything is compiled by now
        System.out.println("ready");
        told = true;
      }
    }
  }
}
