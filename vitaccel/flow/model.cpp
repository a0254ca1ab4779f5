// Entry of a model that a Python process loads as a shared library. cocotb finds Python's functions
// in that process, so no libpython.so is needed, which Debian and Ubuntu leave out of python3.
// Never returns: cocotb has finalised the interpreter when `model_main`, its `main`, is through.
#include <cstdlib>

int model_main(int argc, char** argv);

extern "C" void simulate() {
    char name[] = "model";
    char* argv[] = {name, nullptr};
    std::exit(model_main(1, argv));
}
