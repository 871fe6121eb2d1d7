//! Attacks by the contents of frames.

use aiomas::Runtime;
use aiomas_core::wire::Format::{self, Json, MsgPack};
use aiomas_core::wire::codec::blosc;

use super::{Ended, Target, parse, payload, request};
use crate::message::{self, FAILURE, REQUEST, RESULT};
use crate::raw::Raw;

/// The victim's reaction to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Answers with a result or a failure, and continues.
    Answers(u8),
    /// Closes the connection.
    Closes,
}
use Does::{Answers, Closes};

const RESULTS: Does = Answers(RESULT as u8);
const FAILS: Does = Answers(FAILURE as u8);

/// Sends one frame over a new stream, followed by a request. Returns the victim's reaction.
async fn send<R: Runtime>(target: &Target<R>, format: Format, frame: &[u8]) -> Does {
    let mut raw = target.dial().await;
    raw.write(frame).await.expect("an open stream");
    // A victim that closes may do so before this is written.
    let next = message::message(format, REQUEST, "next", ("ping", [1], serde_json::Map::new()));
    let _written = raw.write(&next).await;
    let mut does = Closes;
    while let Some(answer) = raw.read().await {
        let (kind, is_next) = match format {
            Json => {
                let (kind, id, _) = parse(&answer);
                (kind as u8, id == "next")
            }
            MsgPack => (answer[1], answer[2..].starts_with(b"\xa4next")),
        };
        if is_next {
            assert_eq!(kind, RESULT as u8);
            assert_ne!(does, Closes, "the frame was ignored");
            return does;
        }
        does = Answers(kind);
    }
    assert_eq!(does, Closes, "the victim answered, and then closed");
    Closes
}

/// Calls [`send`] for each frame of a list.
async fn check<R: Runtime>(
    target: &Target<R>,
    format: Format,
    list: impl IntoIterator<Item = (Vec<u8>, Does)>,
) {
    for (frame, expected) in list {
        let does = send(target, format, &frame).await;
        let shown = frame[4..].iter().take(100).copied().collect::<Vec<_>>();
        assert_eq!(does, expected, "{}", shown.escape_ascii());
    }
}

fn json(message: impl AsRef<[u8]>) -> Vec<u8> {
    message::frame(message)
}

/// Returns a call of `take` with an encoded argument.
fn take(format: Format, argument: &[u8]) -> Vec<u8> {
    let content = match format {
        Json => [b"[\"take\", [", argument, b"], {}]"].concat(),
        MsgPack => [b"\x93\xa4take\x91", argument, b"\x80"].concat(),
    };
    message::raw(format, REQUEST, &message::encoded(format, &1), &content)
}

/// Ids of any kind are mirrored, even when two requests in flight share one.
pub(super) async fn ids_of_all_kinds<R: Runtime>(target: Target<R>) -> Ended {
    let mut raw = target.dial().await;
    let ids = [
        "-1",
        "1.5",
        "\"x\"",
        "true",
        "null",
        "1e30",
        "1000000000000000000000000000000",
        "[1, [2]]",
        "{\"a\": 1}",
        "18446744073709551615",
        "18446744073709551616",
        "1",
        "1",
        "1",
        "\"\\ud800\"",
    ];
    for id in ids {
        let frame = json(format!("[0, {id}, [\"ping\", [7], {{}}]]"));
        raw.write(&frame).await.expect("an open stream");
    }
    for id in ids {
        let answer = raw.read().await.expect("an answer");
        assert_eq!(answer, format!("[1, {id}, 7]"));
    }
    drop(raw);
    let deep = [&b"[".repeat(1000)[..], &b"]".repeat(1000)].concat();
    let deep = [b"[0, ", &deep[..], b", [\"ping\", [7], {}]]"].concat();
    check(&target, Json, [(json(deep), Closes), (json("[0]"), Closes), (json("{}"), Closes)]).await;
    None
}

/// Answers without a matching call.
pub(super) async fn answers_to_nothing<R: Runtime>(target: Target<R>) -> Ended {
    let ids = ["0", "1", "-1", "1.5", "\"x\"", "null", "true", "1e30", "[0]"];
    for kind in [RESULT, FAILURE] {
        let frames = ids.map(|id| (json(format!("[{kind}, {id}, 7]")), Closes));
        check(&target, Json, frames).await;
    }
    let kinds = ["3", "-1", "1.0", "\"0\"", "null", "99999999999999999999", "0.5"];
    check(&target, Json, kinds.map(|kind| (json(format!("[{kind}, 1, 7]")), Closes))).await;
    None
}

/// Values nested far too deeply.
pub(super) async fn deep_values<R: Runtime>(target: Target<R>) -> Ended {
    let room = target.limits.max_frame / 8;
    let nest = |open: &[u8], inner: &[u8], close: &[u8]| {
        let levels = (room - inner.len()) / (open.len() + close.len());
        [&open.repeat(levels)[..], inner, &close.repeat(levels)].concat()
    };
    for value in [
        nest(b"[", b"", b"]"),
        nest(b"{\"a\":", b"1", b"}"),
        nest(b"{\"__type__\":[0,", b"1", b"]}"),
        nest(b"[", b"", b""),
    ] {
        check(&target, Json, [(take(Json, &value), FAILS)]).await;
    }
    for value in [
        nest(b"\x91", b"\xc0", b""),
        nest(b"\x81\xa1a", b"\xc0", b""),
        nest(b"\x81\xa8__type__\x92\0", b"\xc0", b""),
        nest(b"\xdd\0\0\0\x01", b"\xc0", b""),
        // Nested in a key.
        nest(b"\x81", b"\xc0", b"\xc0"),
    ] {
        check(&target, MsgPack, [(take(MsgPack, &value), FAILS)]).await;
    }
    None
}

/// Lengths of nearly four billion, followed by three bytes.
pub(super) async fn lengths_that_lie<R: Runtime>(target: Target<R>) -> Ended {
    for head in [
        &b"\xdd\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdd\x7f\xff\xff\xff",
        b"\xdc\xff\xff",
        b"\xc8\xff\xff\x01",
        b"\xd9\xff",
    ] {
        check(&target, MsgPack, [(take(MsgPack, &[head, b"\x01\x02\x03"].concat()), FAILS)]).await;
        // In place of the message, of its id, and of its content.
        let id = [b"\x93\0", head, b"\x01"].concat();
        let content = [b"\x93\0\x01", head, b"\x01"].concat();
        let list = [(json([head, b"\x01"].concat()), Closes), (json(id), Closes)];
        check(&target, MsgPack, list).await;
        check(&target, MsgPack, [(json(content), FAILS)]).await;
    }
    None
}

/// Invalid values, and values that not every codec has.
pub(super) async fn malformed_values<R: Runtime>(target: Target<R>) -> Ended {
    for (value, does) in [
        (&b"NaN"[..], RESULTS),
        (b"[Infinity, -Infinity]", RESULTS),
        (b"1e999", RESULTS),
        (b"123456789012345678901234567890123456789012345678901234567890", RESULTS),
        (b"{\"a\": 1, \"a\": 2}", RESULTS),
        (b"\"\\ud800\"", RESULTS),
        (b"\"\xff\xfe\"", FAILS),
        (b"\"\0\"", FAILS),
        (b"{1: 2}", FAILS),
        (b"01", FAILS),
        (b"-", FAILS),
        (b"1.", FAILS),
        (b"tru", FAILS),
        (b"[1,]", FAILS),
        (b"\"\\u12\"", FAILS),
        (b"'a'", FAILS),
        (b"1 2", FAILS),
        (b"", FAILS),
    ] {
        check(&target, Json, [(take(Json, value), does)]).await;
    }
    for (value, does) in [
        (&b"\xcb\x7f\xf8\0\0\0\0\0\0"[..], RESULTS),
        (b"\x82\xa1a\x01\xa1a\x02", RESULTS),
        (b"\x81\x01\x02", RESULTS),
        (b"\xd4\x05\x01", RESULTS),
        (b"\xa2\xff\xfe", FAILS),
        (b"\xc1", FAILS),
        (b"\x01\x02", FAILS),
        (b"", FAILS),
    ] {
        check(&target, MsgPack, [(take(MsgPack, value), does)]).await;
    }
    // Extra bytes after the message, and before it.
    let ping = request(1, "ping", [1]);
    let list = [
        (json([payload(&ping), b" x"].concat()), Closes),
        (json([b"\xef\xbb\xbf", payload(&ping)].concat()), Closes),
        (json([b"\x01", payload(&ping)].concat()), Closes),
        (json([b" \n", payload(&ping), b" \t"].concat()), RESULTS),
    ];
    check(&target, Json, list).await;
    None
}

/// `__type__` in unexpected places, with unknown ids and arities.
pub(super) async fn types_that_are_confused<R: Runtime>(target: Target<R>) -> Ended {
    for (value, does) in [
        // A valid reference.
        (r#"{"__type__": [0, "x"]}"#, RESULTS),
        (r#"{"__type__": [1, "x"]}"#, FAILS),
        (r#"{"__type__": [-1, "x"]}"#, FAILS),
        (r#"{"__type__": [18446744073709551616, "x"]}"#, FAILS),
        (r#"{"__type__": ["0", "x"]}"#, FAILS),
        (r#"{"__type__": [0.0, "x"]}"#, FAILS),
        (r#"{"__type__": [0]}"#, FAILS),
        (r#"{"__type__": []}"#, FAILS),
        (r#"{"__type__": [0, "x", 1]}"#, FAILS),
        (r#"{"__type__": null}"#, FAILS),
        (r#"{"__type__": {"0": "x"}}"#, FAILS),
        (r#"{"__type__": [0, {"__type__": [9, 1]}]}"#, FAILS),
        (r#"[{"a": {"__type__": [9, 1]}}]"#, FAILS),
    ] {
        check(&target, Json, [(take(Json, value.as_bytes()), does)]).await;
    }
    for (path, args) in [
        // In place of a number, of a list and of a reference.
        ("ping", r#"[{"__type__": [0, "x"]}]"#),
        ("keep", r#"[{"__type__": [0, "x"]}]"#),
        ("keep", r#"[["x"]]"#),
        ("bounce", r#"["x", 1]"#),
        ("bounce", r#"[{"__type__": [0, 5]}, 1]"#),
        ("bounce", r#"[{"__type__": [0, ["x"]]}, 1]"#),
    ] {
        let frame = json(format!("[0, 1, [\"{path}\", {args}, {{}}]]"));
        check(&target, Json, [(frame, FAILS)]).await;
    }
    None
}

/// Paths to services that are not exposed.
pub(super) async fn paths_that_lead_nowhere<R: Runtime>(target: Target<R>) -> Ended {
    let long = "x".repeat(20_000);
    let deep = "a/".repeat(10_000);
    let paths = [
        "",
        "/",
        "//",
        "ping/",
        "/ping",
        "//ping",
        "./ping",
        "../ping",
        "ping.x",
        "__class__",
        "__class__/__init__",
        "__init__",
        "type_name",
        "call",
        "pіng",
        "ping\0",
        "PING",
        "$hello",
        "router/path",
        &long,
        &deep,
    ];
    for path in paths {
        check(&target, Json, [(request(1, path, [1]), FAILS)]).await;
        check(
            &target,
            MsgPack,
            [{
                let content = (path, [1], serde_json::Map::new());
                (message::message(MsgPack, REQUEST, 1, content), FAILS)
            }],
        )
        .await;
    }
    for content in [
        "null",
        "[]",
        "[1]",
        "[1, [], {}]",
        r#"["ping"]"#,
        r#"["ping", [1]]"#,
        r#"["ping", 1, {}]"#,
        r#"["ping", [1], 1]"#,
        r#"["ping", [1], {}, 1]"#,
        r#"["ping", {}, [1]]"#,
        r#"["ping", [1, 2], {}]"#,
        r#"["ping", [1], {"number": 1}]"#,
        r#"["ping", [1], {"self": 1}]"#,
        r#"["ping", [], {}]"#,
        r#"["ping", ["1"], {}]"#,
    ] {
        check(&target, Json, [(json(format!("[0, 1, {content}]")), FAILS)]).await;
    }
    let mut raw = target.dial_at(&target.agents).await;
    for path in [
        "agents/0",
        "agents/2/ping",
        "agents//ping",
        "agents/00/ping",
        "agents/-1/ping",
        "agents/０/ping",
        "agents/+0/ping",
        "agents/0 /ping",
        "agents/18446744073709551616/ping",
        "agents/0/../1/ping",
        "agents/0/ping/ping",
        "agents/0/__class__",
        "agents",
        "0/ping",
        "ping",
        "agents\\0\\ping",
    ] {
        raw.write(&request(1, path, [1])).await.expect("an open stream");
        let answer = raw.read().await.expect("an answer");
        assert_eq!(parse(&answer).0, FAILURE, "{path}");
    }
    None
}

/// Blosc headers in which every field is wrong.
pub(super) async fn blosc_frames_that_lie<R: Runtime>(target: Target<R>) -> Ended {
    let content = ("take", ["x".repeat(10_000)], serde_json::Map::new());
    let good = message::message(MsgPack, REQUEST, 1, content);
    let mut frame = Vec::new();
    blosc::compress(payload(&good), &blosc::Options::default(), &mut frame).expect("short");
    let word = |at: usize, word: u32| {
        let mut frame = frame.clone();
        frame[at..at + 4].copy_from_slice(&word.to_le_bytes());
        frame
    };
    let byte = |at: usize, byte: u8| {
        let mut frame = frame.clone();
        frame[at] = byte;
        frame
    };
    let mut lies: Vec<Vec<u8>> = Vec::new();
    // The lengths of the data, a block and the frame, and the offset of the first block.
    for at in [4, 8, 12, 16] {
        for lie in [0, 1, u32::MAX, i32::MAX as u32, frame.len() as u32 - 1] {
            lies.push(word(at, lie));
        }
    }
    // Other versions, flags, and element sizes.
    lies.extend([byte(1, 0xff), byte(2, 0xff), byte(2, 0x08), byte(3, 0)]);
    lies.extend((0..20).map(|length| frame[..length].to_vec()).filter(|lie| !lie.is_empty()));
    for lie in lies {
        let mut raw: Raw<R> = target.dial().await;
        raw.write(&message::frame(&lie)).await.expect("an open stream");
        // A header that is valid by chance is answered.
        if raw.read().await.is_some() {
            raw.end().await.expect("open");
            raw.drain().await;
        }
    }
    None
}

/// As many keys as permitted: chosen to collide in a hash table, and all equal.
pub(super) async fn many_keys<R: Runtime>(target: Target<R>) -> Ended {
    // A map counts 9, an array 3.
    let most = target.limits.budget.nodes as usize / 2 - 20;
    let same = vec![r#""number": 1"#; most].join(", ");
    let other: Vec<_> = (0..most).map(|key| format!("\"{key:08x}\": 1")).collect();
    let other = other.join(", ");
    for kwargs in [&same, &other] {
        let frame = json(format!("[0, 1, [\"ping\", [], {{{kwargs}}}]]"));
        let does = send(&target, Json, &frame).await;
        assert_ne!(does, Closes);
        check(&target, Json, [(take(Json, format!("{{{kwargs}}}").as_bytes()), RESULTS)]).await;
    }
    None
}

/// Unknown features in Hello, a second Hello, and a message against the agreement.
pub(super) async fn hello_that_promises_anything<R: Runtime>(target: Target<R>) -> Ended {
    let hello = |codecs: &[&str]| {
        let types: Vec<_> = (0..1000).map(|id| format!("type {id}")).collect();
        let hello = serde_json::json!({
            "version": 4_000_000_000_u32, "codecs": codecs, "max_frame": 1, "max_calls": 0,
            "extensions": vec!["anything"; 1000], "types": types,
        });
        request(0, "$hello", [hello])
    };
    for codecs in [&["nonsense"][..], &[], &["msgpack", "json"], &["json"]] {
        let mut raw = target.dial().await;
        raw.write(&hello(codecs)).await.expect("an open stream");
        raw.read().await.expect("an answer");
        // The second Hello is now an ordinary call. Then a message in another codec than agreed.
        raw.write(&hello(codecs)).await.expect("an open stream");
        raw.read().await.expect("an answer");
        let content = ("ping", [7], serde_json::Map::new());
        for format in [Json, MsgPack] {
            let frame = message::message(format, REQUEST, 5, &content);
            raw.write(&frame).await.expect("an open stream");
            raw.read().await.expect("an answer");
        }
    }
    None
}
