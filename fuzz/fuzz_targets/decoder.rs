//! Words are decoded: see `checks::decode_words`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    metaphrase_fuzz::checks::decode_words(bytes);
});
