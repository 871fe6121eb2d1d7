use aiomas::serializable;

/// Generic: its name alone is ambiguous.
#[serializable]
struct Pair<T>(T, T);

#[serializable(proxy = PointProxy)]
struct Point {
    x: i64,
}

#[serializable]
fn function() {}

fn main() {}
