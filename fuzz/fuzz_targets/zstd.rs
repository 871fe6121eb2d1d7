#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    aiomas_tests::fuzz::zstd(data);
    aiomas_blosc_tests::zstd::compare_input(data);
});
