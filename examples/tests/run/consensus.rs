use super::run;

/// Returns the numbers in lines with these words before and after them.
fn numbers(lines: &[String], begin: &str, before: &str, after: &str) -> Vec<f64> {
    let number = |line: &String| {
        let (_, rest) = line.strip_prefix(begin)?.split_once(before)?;
        let (number, _) = rest.split_once(after)?;
        Some(number.parse().expect("a number"))
    };
    let lines: Vec<_> = lines.iter().map(|line| format!("{line}\n")).collect();
    lines.iter().filter_map(number).collect()
}

#[test]
fn all_end_with_the_average() {
    let lines = run("consensus");
    let begin = numbers(&lines, "agent ", " starts with ", "\n");
    let end = numbers(&lines, "agent ", " ends with ", " after ");
    let average = begin.iter().sum::<f64>() / begin.len() as f64;
    assert_eq!((begin.len(), end.len()), (9, 9), "{lines:#?}");
    for value in &end {
        assert!((value - average).abs() < 1e-9, "{value} is not {average}");
    }

    // All agents stop in the same round: the first in which they detect agreement.
    let rounds = numbers(&lines, "agent ", " after ", " rounds");
    let apart = numbers(&lines, "round ", ": apart by ", "\n");
    assert_eq!(rounds, [4.0 * apart.len() as f64; 9]);
    let (last, before) = apart.split_last().expect("two rounds");
    let widest = begin.iter().fold(f64::MIN, |most, value| value.max(most))
        - begin.iter().fold(f64::MAX, |least, value| value.min(least));
    assert_eq!(before[0], widest);
    assert!(apart.is_sorted_by(|earlier, later| earlier > later), "{apart:?}");
    assert!(*last <= 1e-10 && before.iter().all(|distance| *distance > 1e-10), "{apart:?}");
}
