// The whole library's headers, nothing of them used.
#include <tessera/tessera.hpp>

int main() {}
