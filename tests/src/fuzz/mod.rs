//! The functions of the fuzz targets. A panic is a finding.

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

/// The function of a target.
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
/// The result exceeds the requested size, or a round trip changes the data.
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

/// Runs operations chosen by `data` on a connection, with variations that must not matter.
///
/// # Panics
/// The contract of [`Connection`](aiomas_core::connection::Connection) is violated.
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

/// Runs operations chosen by `data` on containers in a network.
///
/// # Panics
/// A connect or a call has a forbidden result, or a run with split input and shifted times differs.
pub fn container_ops(data: &[u8]) {
    assert_eq!(crate::container_ops::run(data, false), crate::container_ops::run(data, true));
}

/// Runs operations chosen by `data` on both ends of a scripted channel.
///
/// # Panics
/// A call has a forbidden result, state remains at the end, or a second run differs.
pub fn driver_script(data: &[u8]) {
    assert_eq!(crate::driver_script::run(data), crate::driver_script::run(data));
}

/// Runs operations chosen by `data` on two connections with a stream between them.
///
/// # Panics
/// The contract of [`Connection`](aiomas_core::connection::Connection) is violated.
pub fn pair_ops(data: &[u8]) {
    assert_eq!(crate::pair_ops::run(data, false), crate::pair_ops::run(data, true));
}

/// Parses addresses and URLs.
///
/// # Panics
/// A parsed one changes when it is formatted and parsed again.
pub fn url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(url) = text.parse::<AgentUrl>() {
        assert_eq!(url.to_string().parse(), Ok(url));
    }
}
