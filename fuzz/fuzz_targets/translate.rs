//! Words are translated: see `checks::translate_words`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    metaphrase_fuzz::checks::translate_words(bytes);
});
