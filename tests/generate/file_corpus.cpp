// What fuzzing found worth keeping, once more: the inputs of tests/fuzz/grammar and tests/fuzz/sequence.
#include "tests/fuzz/replay.hpp"
#include "tests/fuzz/sequences.hpp"

using test::replay;

TEST_CASE("the fuzz corpora of grammars and stored runs are read or refused", "[generate]") {
  CHECK(replay("grammar", test::use_grammar) >= 3);
  CHECK(replay("sequence", test::use_sequence) >= 2);
}
