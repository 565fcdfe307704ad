/** Three parts of the work in one method, one in another. Usage: Split ROUNDS, of some 0.4 ms */
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
    long rounds = Long.parseLong(words[0]);
    for (long round = 0; round < rounds; round++) {
      work();
      if (round == 1000) System.out.println("ready"); // all is compiled
    }
  }
}
