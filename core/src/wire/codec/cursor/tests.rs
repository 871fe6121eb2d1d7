use super::*;

const SMALL: Budget = Budget::new(4, 100);

fn skip(format: Format, bytes: &[u8]) -> Result<Range<usize>, CodecError> {
    let mut cursor = Cursor::new(format, bytes, SMALL);
    let range = cursor.skip()?;
    cursor.end()?;
    assert_eq!(cursor.meter.depth(), SMALL.depth);
    Ok(range)
}

#[test]
fn json_grammar() {
    for good in [
        "null",
        "true",
        "false",
        "NaN",
        "Infinity",
        "-Infinity",
        "0",
        "-0",
        "1.5e-3",
        "1E+9",
        "[]",
        "{}",
        "[ ]",
        "[1,[2],{}]",
        r#"{"a":1,"b":[{"c":null}]}"#,
        r#""\"\\\/\b\f\n\r\t\ud800""#,
        "\"\u{7f}äöü\u{1f600}\"",
        "[[[[1]]]]",
        "123456789012345678901234567890",
    ] {
        assert_eq!(skip(Format::Json, good.as_bytes()), Ok(0..good.len()), "{good}");
        let blanks = format!(" \t\n\r{good} ");
        assert_eq!(skip(Format::Json, blanks.as_bytes()), Ok(4..4 + good.len()), "{good}");
    }
    for bad in [
        "",
        " ",
        "nul",
        "nulll",
        "-NaN",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "[1}",
        "{]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{1:2}"#,
        r#"{"a" 1}"#,
        "\"",
        "\"\\\"",
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12"#,
        "\"\n\"",
        "1 2",
        "'a'",
        "\u{feff}1",
        "{\"a\":1 \"b\":2}",
        "[1],",
        "\u{a0}1",
    ] {
        assert!(skip(Format::Json, bad.as_bytes()).is_err(), "{bad}");
    }
    assert_eq!(
        skip(Format::Json, b"[\"ab\xff\"]"),
        Err(CodecError::Syntax { at: 4, what: "a string is not UTF-8" })
    );
}

#[test]
fn long_strings_end_where_they_should() {
    for length in 0..40 {
        for tail in ["\"", "\\n\"", "\u{1f}\""] {
            let text = format!("\"{}{tail}", "ä".repeat(length));
            assert_eq!(skip(Format::Json, text.as_bytes()).is_ok(), !tail.starts_with('\u{1f}'));
        }
    }
}

#[test]
fn msgpack_heads() {
    for good in [
        &b"\x00"[..],
        b"\xff",
        b"\x80",
        b"\x90",
        b"\xa0",
        b"\xc0",
        b"\xc2",
        b"\xc4\x01a",
        b"\xc5\0\x01a",
        b"\xc6\0\0\0\x01a",
        b"\xc7\x01\x05a",
        b"\xca\0\0\0\0",
        b"\xcb\0\0\0\0\0\0\0\0",
        b"\xcc\0",
        b"\xcd\0\0",
        b"\xce\0\0\0\0",
        b"\xcf\0\0\0\0\0\0\0\0",
        b"\xd3\0\0\0\0\0\0\0\0",
        b"\xd4\x01a",
        b"\xd8\x010123456789abcdef",
        b"\xd9\x01a",
        b"\xda\0\x01a",
        b"\xdb\0\0\0\x01a",
        b"\xdc\0\x01\x01",
        b"\xdd\0\0\0\x01\x01",
        b"\xde\0\x01\x01\x01",
        b"\xdf\0\0\0\x01\x01\x01",
        b"\x92\x92\x01\x02\x82\x01\x02\x03\x90",
        b"\x91\x91\x91\x91\x01",
        b"\x92\x91\x91\x91\x01\x91\x91\x90",
    ] {
        assert_eq!(skip(Format::MsgPack, good), Ok(0..good.len()), "{good:x?}");
        for cut in 0..good.len() {
            assert!(skip(Format::MsgPack, &good[..cut]).is_err(), "{good:x?} cut at {cut}");
        }
        assert!(skip(Format::MsgPack, &[good, b"\0"].concat()).is_err(), "{good:x?}");
    }
    for bad in [
        &b"\xc1"[..],
        b"\xa1\xff",
        b"\xdd\xff\xff\xff\xff\0",
        b"\xdf\xff\xff\xff\xff\0",
        b"\xdb\xff\xff\xff\xffa",
        b"\xc6\xff\xff\xff\xffa",
        b"\xc9\xff\xff\xff\xff\x01a",
        b"\xdf\x80\0\0\0\0",
    ] {
        assert!(skip(Format::MsgPack, bad).is_err(), "{bad:x?}");
    }
}

#[test]
fn budget() {
    let deep = CodecError::TooDeep { limit: 4 };
    assert_eq!(skip(Format::Json, b"[[[[[]]]]]"), Err(deep.clone()));
    assert_eq!(skip(Format::Json, br#"{"a":{"a":{"a":{"a":{}}}}}"#), Err(deep.clone()));
    assert_eq!(skip(Format::MsgPack, b"\x91\x91\x91\x91\x90"), Err(deep.clone()));
    assert_eq!(skip(Format::MsgPack, b"\x92\x91\x91\x91\x90\x91\x91\x91\x91\x01"), Err(deep));
    let many = CodecError::TooManyNodes { limit: 100 };
    // An array counts 3, a map 9.
    let fits = format!("[{}1]", "1,".repeat(96));
    assert!(skip(Format::Json, fits.as_bytes()).is_ok());
    let fits_not = format!("[{}1]", "1,".repeat(97));
    assert_eq!(skip(Format::Json, fits_not.as_bytes()), Err(many.clone()));
    assert!(skip(Format::MsgPack, &[&b"\xdc\0\x61"[..], &[1; 97]].concat()).is_ok());
    let fits_not = [&b"\xdc\0\x62"[..], &[1; 98]].concat();
    assert_eq!(skip(Format::MsgPack, &fits_not), Err(many.clone()));
    for (format, maps, others) in [
        (Format::Json, "[{},{},{},{},{},{},{},{},{},{},", "[],1]"),
        (Format::Json, "[{\"\":1},", "[]]"),
    ] {
        let counts = if maps.len() > 20 { 97 } else { 3 + 11 + 3 };
        let json = [maps, others].concat();
        let skip = |nodes| Cursor::new(format, json.as_bytes(), Budget::new(9, nodes)).skip();
        assert!(skip(counts).is_ok(), "{json}");
        assert_eq!(skip(counts - 1), Err(CodecError::TooManyNodes { limit: counts - 1 }));
    }
    // The limit also holds over several steps.
    let mut cursor = Cursor::new(Format::Json, b"[[1],[1],[1]]", Budget::new(2, 14));
    let mut array = cursor.begin_array().unwrap();
    for _ in 0..2 {
        assert!(cursor.next(&mut array).unwrap());
        cursor.skip().unwrap();
    }
    assert!(cursor.next(&mut array).unwrap());
    assert_eq!(cursor.skip(), Err(CodecError::TooManyNodes { limit: 14 }));
}

#[test]
fn deep_without_a_stack() {
    let levels = 300_000;
    let budget = Budget::new(levels, u32::MAX);
    let count = levels as usize;
    let json = ["[".repeat(count), "]".repeat(count)].concat();
    assert_eq!(Cursor::new(Format::Json, json.as_bytes(), budget).skip(), Ok(0..json.len()));
    let json = [r#"[{"":"#.repeat(count / 2), "1".into(), "}]".repeat(count / 2)].concat();
    assert_eq!(Cursor::new(Format::Json, json.as_bytes(), budget).skip(), Ok(0..json.len()));
    let msgpack = [&b"\x92\x01"[..]].repeat(count - 1).concat();
    let msgpack = [&msgpack[..], b"\x90"].concat();
    let mut cursor = Cursor::new(Format::MsgPack, &msgpack, budget);
    assert_eq!(cursor.skip(), Ok(0..msgpack.len()));
}

#[test]
fn walks() {
    for (format, bytes) in [
        (Format::Json, &br#" {"a" : [1, 2.5], "\u00e4": null } "#[..]),
        (Format::MsgPack, b"\x82\xa1a\x92\x01\xcb\0\0\0\0\0\0\0\0\xa2\xc3\xa4\xc0"),
    ] {
        let mut cursor = Cursor::new(format, bytes, SMALL);
        assert_eq!(cursor.peek(), Ok(Item::Map));
        let mut map = cursor.begin_map().unwrap();
        assert!(cursor.next(&mut map).unwrap());
        assert_eq!(cursor.str().unwrap(), "a");
        cursor.value().unwrap();
        let mut array = cursor.begin_array().unwrap();
        assert!(cursor.next(&mut array).unwrap());
        assert_eq!(cursor.peek(), Ok(Item::Int));
        cursor.skip().unwrap();
        assert!(cursor.next(&mut array).unwrap());
        assert_eq!(cursor.peek(), Ok(Item::Float));
        assert!(cursor.clone().str().is_err());
        cursor.skip().unwrap();
        assert!(!cursor.next(&mut array).unwrap());
        assert!(cursor.next(&mut map).unwrap());
        assert_eq!(cursor.str().unwrap(), "ä");
        cursor.value().unwrap();
        assert_eq!(cursor.peek(), Ok(Item::Null));
        cursor.skip().unwrap();
        assert!(!cursor.next(&mut map).unwrap());
        cursor.end().unwrap();
        assert_eq!(cursor.meter.depth(), SMALL.depth);
    }
}

#[test]
fn strings() {
    let str =
        |json: &str| Cursor::new(Format::Json, json.as_bytes(), SMALL).str().map(Cow::into_owned);
    assert_eq!(str(r#""\ud83d\ude00\u00e4\n\/""#), Ok("😀ä\n/".into()));
    for lone in [r#"" \ud83d""#, r#""\ude00\ud83d""#, r#""\ud83d\n\ude00""#, r#""\ud83d\u0020""#] {
        let at = 0;
        assert_eq!(str(lone), Err(CodecError::Syntax { at, what: LONE_SURROGATE }), "{lone}");
    }
}
