use super::run;

/// The switches and their times, in order.
const DAY: [(&str, &str); 12] = [
    ("01T05", "southern heating: 1.5 kW"),
    ("01T06", "northern heating: 2 kW"),
    ("01T07", "southern heating: 0 kW"),
    ("01T08", "northern heating: 0 kW"),
    ("01T12", "northern oven: 3 kW"),
    ("01T13", "northern oven: 0 kW"),
    ("01T17", "southern lamp: 0.1 kW"),
    ("01T17", "northern heating: 2 kW"),
    ("01T18", "southern heating: 1.5 kW"),
    ("01T21", "southern heating: 0 kW"),
    ("01T22", "northern heating: 0 kW"),
    ("01T23", "southern lamp: 0 kW"),
];

#[test]
fn a_day_passes_in_virtual_time() {
    let lines = run("external_clock");
    let (switched, end) = lines.split_at(DAY.len());
    for (line, (hour, what)) in switched.iter().zip(DAY) {
        assert_eq!(*line, format!("2026-01-{hour}:00:00+00:00 {what}"));
    }
    // 14 and 7.5 of the heatings, 3 of the oven, 0.6 of the lamp.
    assert_eq!(end[0], "2026-01-02T00:00:00+00:00 meter: 25.1 kWh");
    let took = end[1].strip_prefix("a day took ").and_then(|took| took.strip_suffix(" ms"));
    // The program's own time limit bounds this number.
    assert!(took.is_some_and(|took| took.parse::<u32>().is_ok()), "{}", end[1]);
    assert_eq!(end.len(), 2);
}
