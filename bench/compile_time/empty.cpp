// Nothing: what starting the compiler costs.
int main() {}
