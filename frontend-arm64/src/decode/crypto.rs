//! Cryptographic extensions, Arm ARM C4.1.95: AES, SHA1, SHA2, SHA512, SHA3, SM3, SM4.

#[rustfmt::skip]
crate::rows! {
    /// AES, SHA, SM3, SM4.
    Crypto {
        AesE      "01001110 00101000 010010nn nnnddddd" { rn: n, rd: d                 } AES;
        AesD      "01001110 00101000 010110nn nnnddddd" { rn: n, rd: d                 } AES;
        AesMc     "01001110 00101000 011010nn nnnddddd" { rn: n, rd: d                 } AES;
        AesIMc    "01001110 00101000 011110nn nnnddddd" { rn: n, rd: d                 } AES;
        Sha1C     "01011110 000mmmmm 000000nn nnnddddd" { rm: m, rn: n, rd: d          } SHA1;
        Sha1P     "01011110 000mmmmm 000100nn nnnddddd" { rm: m, rn: n, rd: d          } SHA1;
        Sha1M     "01011110 000mmmmm 001000nn nnnddddd" { rm: m, rn: n, rd: d          } SHA1;
        Sha1Su0   "01011110 000mmmmm 001100nn nnnddddd" { rm: m, rn: n, rd: d          } SHA1;
        Sha256H   "01011110 000mmmmm 010000nn nnnddddd" { rm: m, rn: n, rd: d          } SHA256;
        Sha256H2  "01011110 000mmmmm 010100nn nnnddddd" { rm: m, rn: n, rd: d          } SHA256;
        Sha256Su1 "01011110 000mmmmm 011000nn nnnddddd" { rm: m, rn: n, rd: d          } SHA256;
        Sha1H     "01011110 00101000 000010nn nnnddddd" { rn: n, rd: d                 } SHA1;
        Sha1Su1   "01011110 00101000 000110nn nnnddddd" { rn: n, rd: d                 } SHA1;
        Sha256Su0 "01011110 00101000 001010nn nnnddddd" { rn: n, rd: d                 } SHA256;
        Sha512H   "11001110 011mmmmm 100000nn nnnddddd" { rm: m, rn: n, rd: d          } SHA512;
        Sha512H2  "11001110 011mmmmm 100001nn nnnddddd" { rm: m, rn: n, rd: d          } SHA512;
        Sha512Su1 "11001110 011mmmmm 100010nn nnnddddd" { rm: m, rn: n, rd: d          } SHA512;
        Rax1      "11001110 011mmmmm 100011nn nnnddddd" { rm: m, rn: n, rd: d          } SHA3;
        Sm3PartW1 "11001110 011mmmmm 110000nn nnnddddd" { rm: m, rn: n, rd: d          } SM3;
        Sm3PartW2 "11001110 011mmmmm 110001nn nnnddddd" { rm: m, rn: n, rd: d          } SM3;
        Sm4EKey   "11001110 011mmmmm 110010nn nnnddddd" { rm: m, rn: n, rd: d          } SM4;
        Sha512Su0 "11001110 11000000 100000nn nnnddddd" { rn: n, rd: d                 } SHA512;
        Sm4E      "11001110 11000000 100001nn nnnddddd" { rn: n, rd: d                 } SM4;
        Eor3      "11001110 000mmmmm 0aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d   } SHA3;
        Bcax      "11001110 001mmmmm 0aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d   } SHA3;
        Sm3Ss1    "11001110 010mmmmm 0aaaaann nnnddddd" { ra: a, rm: m, rn: n, rd: d   } SM3;
        Sm3Tt1A   "11001110 010mmmmm 10uu00nn nnnddddd" { imm2: u, rm: m, rn: n, rd: d } SM3;
        Sm3Tt1B   "11001110 010mmmmm 10uu01nn nnnddddd" { imm2: u, rm: m, rn: n, rd: d } SM3;
        Sm3Tt2A   "11001110 010mmmmm 10uu10nn nnnddddd" { imm2: u, rm: m, rn: n, rd: d } SM3;
        Sm3Tt2B   "11001110 010mmmmm 10uu11nn nnnddddd" { imm2: u, rm: m, rn: n, rd: d } SM3;
        Xar       "11001110 100mmmmm vvvvvvnn nnnddddd" { imm6: v, rm: m, rn: n, rd: d } SHA3;
    }
}
