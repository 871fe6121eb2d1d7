//! Tests of the attribute macros, in a package of their own: they compile small programs, whose
//! dependencies are this package's.
