//! The C library as a process of its own, see [`aiomas_blosc_tests::oracle`].

fn main() -> std::io::Result<()> {
    aiomas_blosc_tests::oracle::serve()
}
