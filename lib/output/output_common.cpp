#include "output/output.hpp"
