use aiomas::serializable;

/// Which of these would it be?
#[serializable]
struct Pair<T>(T, T);

#[serializable(proxy = PointProxy)]
struct Point {
    x: i64,
}

#[serializable]
fn function() {}

fn main() {}
