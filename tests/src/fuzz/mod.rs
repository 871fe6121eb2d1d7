//! What the fuzz targets do with their input. A panic is a finding.

mod arguments;
mod date;
mod envelope;
mod frame;
mod hello;
mod mosaik;
mod tls;
mod value;

use std::str;

use aiomas_core::agent::{Address, AgentUrl};
use aiomas_core::wire::codec::blosc::{Compressor, Options, Shuffle, compress, decompress};

pub use arguments::rpc_arguments;
pub use date::date;
pub use envelope::{envelope_json, envelope_msgpack};
pub use frame::deframe_split;
pub use hello::hello;
pub use mosaik::mosaik;
pub use tls::tls_record;
pub use value::value;

use crate::connection_ops::{self, Variation};

/// A target.
pub type Target = fn(&[u8]);

/// All targets, by the names of their programs and corpora.
pub const TARGETS: [(&str, Target); 15] = [
    ("blosc", blosc),
    ("connection_ops", connection_ops),
    ("container_ops", container_ops),
    ("date", date),
    ("deframe_split", deframe_split),
    ("driver_script", driver_script),
    ("envelope_json", envelope_json),
    ("envelope_msgpack", envelope_msgpack),
    ("hello", hello),
    ("mosaik", mosaik),
    ("pair_ops", pair_ops),
    ("rpc_arguments", rpc_arguments),
    ("tls_record", tls_record),
    ("url", url),
    ("value", value),
];

/// Decompresses `data` as a Blosc frame, and compresses it as data.
///
/// # Panics
/// If there is more than was asked for, or it does not come back the same.
pub fn blosc(data: &[u8]) {
    const MAX: usize = 1 << 16;
    let round_trip = |data: &[u8], options: &Options| {
        let mut frame = Vec::new();
        compress(data, options, &mut frame).expect("data that is not too long");
        assert_eq!(decompress(&frame, data.len()).as_deref(), Ok(data), "{options:?}");
    };
    if let Ok(decompressed) = decompress(data, MAX) {
        assert!(decompressed.len() <= MAX);
        round_trip(&decompressed, &Options::default());
    }
    if let Some((&choice, data)) = data.split_first() {
        let mut options = Options::default();
        options.compressor = [Compressor::BloscLz, Compressor::Lz4][usize::from(choice & 1)];
        options.shuffle =
            [Shuffle::None, Shuffle::Byte, Shuffle::Bit][usize::from(choice >> 1) % 3];
        options.level = choice % 10;
        options.type_size = [1, 2, 4, 8, 16, 17, 255][usize::from(choice) % 7];
        round_trip(data, &options);
    }
}

/// Lets `data` decide what happens to a connection, and varies what must not make a difference.
///
/// # Panics
/// If the contract of [`Connection`](aiomas_core::connection::Connection) is violated.
pub fn connection_ops(data: &[u8]) {
    let plain = connection_ops::run(data, Variation::default());
    let same = Variation::default();
    for variation in [
        Variation { bytewise: true, ..same },
        Variation { spurious: true, ..same },
        Variation { clamped: true, ..same },
    ] {
        assert!(connection_ops::run(data, variation) == plain, "{variation:?} makes a difference");
    }
}

/// Lets `data` decide what happens to containers on a network.
///
/// # Panics
/// If a connect or a call does not end as it may, or a run differs in which input is cut and times are told
/// otherwise.
pub fn container_ops(data: &[u8]) {
    assert_eq!(crate::container_ops::run(data, false), crate::container_ops::run(data, true));
}

/// Lets `data` decide what two ends of a channel do, and how the stream between them moves.
///
/// # Panics
/// If a call does not end as it may, something is left at the end, or a second run differs.
pub fn driver_script(data: &[u8]) {
    assert_eq!(crate::driver_script::run(data), crate::driver_script::run(data));
}

/// Lets `data` decide what happens to two connections with a stream between them.
///
/// # Panics
/// If the contract of [`Connection`](aiomas_core::connection::Connection) is violated.
pub fn pair_ops(data: &[u8]) {
    assert_eq!(crate::pair_ops::run(data, false), crate::pair_ops::run(data, true));
}

/// Reads addresses and URLs.
///
/// # Panics
/// If one is not read again as it was written.
pub fn url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(url) = text.parse::<AgentUrl>() {
        assert_eq!(url.to_string().parse(), Ok(url));
    }
}
