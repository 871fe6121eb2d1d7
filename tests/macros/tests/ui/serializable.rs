use aiomas_core::serializable;

/// Which of these would it be?
#[serializable]
struct Pair<T>(T, T);

#[serializable(proxy = PointProxy)]
struct Point {
    x: i64,
}

struct Unknown;

/// Its data have to be known to serde.
#[serializable]
struct Line {
    unknown: Unknown,
}

#[serializable]
fn function() {}

fn main() {}
