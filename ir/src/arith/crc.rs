//! CRC32 and CRC32C steps as the AArch64 instructions do them: reflected, without the inversions before and after.

/// Reflected 0x04C11DB7 (CRC32).
const POLY_IEEE: u32 = 0x04c1_1db7_u32.reverse_bits();
/// Reflected 0x1EDC6F41 (CRC32C).
const POLY_CASTAGNOLI: u32 = 0x1edc_6f41_u32.reverse_bits();

static TABLE_IEEE: [u32; 256] = table(POLY_IEEE);
static TABLE_CASTAGNOLI: [u32; 256] = table(POLY_CASTAGNOLI);

const fn table(poly: u32) -> [u32; 256] {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut r = i as u32;
        let mut bit = 0;
        while bit < 8 {
            r = r >> 1 ^ if r & 1 != 0 { poly } else { 0 };
            bit += 1;
        }
        t[i] = r;
        i += 1;
    }
    t
}

/// Folds the low `8 << size` bits of `v` (size 0..=3) into `acc`, low byte first.
pub fn crc32(castagnoli: bool, mut acc: u32, v: u64, size: u32) -> u32 {
    let table = if castagnoli {
        &TABLE_CASTAGNOLI
    } else {
        &TABLE_IEEE
    };
    let bytes = v.to_le_bytes();
    for b in &bytes[..1 << size.min(3)] {
        acc = acc >> 8 ^ table[(acc as u8 ^ b) as usize];
    }
    acc
}

#[cfg(test)]
mod tests {
    use super::crc32;

    /// The whole checksum, with the inversions around it.
    fn sum(castagnoli: bool, data: &[u8]) -> u32 {
        !data
            .iter()
            .fold(!0, |acc, &b| crc32(castagnoli, acc, b as u64, 0))
    }

    /// RFC 3720 B.4, and the check value of CRC-32 (ISO 3309).
    #[test]
    fn published_vectors() {
        let ramp: Vec<u8> = (0..32).collect();
        let down: Vec<u8> = (0..32).rev().collect();
        assert_eq!(sum(true, &[0; 32]), 0x8a91_36aa);
        assert_eq!(sum(true, &[0xff; 32]), 0x62a8_ab43);
        assert_eq!(sum(true, &ramp), 0x46dd_794e);
        assert_eq!(sum(true, &down), 0x113f_db5c);
        assert_eq!(sum(false, b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn wide_steps_are_byte_steps() {
        let v = 0x0123_4567_89ab_cdef_u64;
        for poly in [false, true] {
            for size in 0..4 {
                let bytes = v.to_le_bytes();
                let by_byte = bytes[..1 << size]
                    .iter()
                    .fold(0xdead_beef, |acc, &b| crc32(poly, acc, b as u64, 0));
                assert_eq!(crc32(poly, 0xdead_beef, v, size), by_byte);
            }
        }
    }
}
