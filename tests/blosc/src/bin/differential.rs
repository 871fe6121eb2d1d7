//! Tries all options of Blosc through C and through our codec, in both directions. The options are
//! every compressor, shuffle, type size and level, on data of 0 bytes to 8 MiB. It takes a quarter
//! of an hour, and ends with an error at the first difference.

use aiomas_blosc_tests::case::{Case, SHUFFLES};
use aiomas_blosc_tests::data::KINDS;
use clap::Parser;

#[derive(Debug, Parser)]
struct Options {
    /// The minimum length of data, in bytes.
    #[arg(long, default_value_t = 0)]
    min: usize,
    /// The maximum length of data, in bytes.
    #[arg(long, default_value_t = 8 << 20)]
    max: usize,
    /// The levels, instead of the default ones for each length.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(..10))]
    levels: Vec<u8>,
    /// The type sizes, instead of the default ones for each length.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..))]
    type_sizes: Vec<u8>,
}

/// Lengths of data, each with the stride of type sizes and the levels to try.
const LENGTHS: [(&[usize], usize, &[u8]); 4] = [
    (&[0, 1, 2, 15, 16, 17, 127, 128, 129, 255, 1_000, 2_049, 4_096], 1, ALL),
    (&[16_383, 65_536, 131_073, 262_144], 13, ALL),
    (&[524_287, 1 << 20, (1 << 20) + 1], 61, &[0, 3, 6, 9]),
    // C's zstd needs seconds for a frame of the highest levels.
    (&[3_000_000, 5_000_001, 8 << 20], 255, &[1, 5]),
];
const ALL: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

fn main() {
    let options = Options::parse();
    let mut total = 0;
    for (lengths, type_step, usual) in LENGTHS {
        let levels = if options.levels.is_empty() { usual } else { &options.levels };
        for &len in lengths.iter().filter(|len| (options.min..=options.max).contains(len)) {
            let mut count = 0;
            let mut type_sizes: Vec<u8> = (1..=255).step_by(type_step).collect();
            type_sizes.extend([2, 4, 8, 16, 17, 255]);
            type_sizes.sort_unstable();
            type_sizes.dedup();
            if !options.type_sizes.is_empty() {
                type_sizes.clone_from(&options.type_sizes);
            }
            for (number, (name, make)) in KINDS.into_iter().enumerate() {
                let data = make(len);
                // Each kind of data gets other combinations, and all kinds together get all of
                // them.
                for (at, &type_size) in type_sizes.iter().enumerate() {
                    if at % KINDS.len() != number && type_size != 8 {
                        continue;
                    }
                    for &level in levels {
                        for shuffle in SHUFFLES {
                            count += Case { name, data: &data, shuffle, type_size, level }.check();
                        }
                    }
                }
            }
            total += count;
            println!("{len:>8} bytes: {count:>6} frames, {total:>7} in all");
        }
    }
}
