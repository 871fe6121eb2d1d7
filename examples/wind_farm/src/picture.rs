//! The chart of a run.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::day::Point;
use crate::error::Error;
use crate::turbine::Watts;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
/// A name, a colour, and points.
type Series<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (1_200, 800);
const FONT: &str = "sans-serif";
const WIND: RGBColor = RGBColor(0, 114, 178);
const POSSIBLE: RGBColor = RGBColor(150, 150, 150);
const POWER: RGBColor = RGBColor(0, 158, 115);
const LIMIT: RGBColor = RGBColor(213, 94, 0);

/// Draws wind, power with and without control, and the limit, to an SVG file.
pub(crate) fn draw(
    path: &Path,
    turbines: usize,
    limit: Watts,
    points: &[Point],
) -> std::result::Result<(), Error> {
    draw_all(path, turbines, limit, points)
        .map_err(|why| Error::Draw { path: path.to_owned(), why: why.to_string() })
}

fn draw_all(path: &Path, turbines: usize, limit: Watts, points: &[Point]) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("A wind farm of {turbines} turbines, and its limit");
    let (upper, lower) = root.titled(&title, (FONT, 26))?.split_vertically(270);
    let wind = points.iter().map(|point| (point.time, point.wind));
    draw_chart(&upper, "wind, m/s", &[("mean wind", WIND, wind.collect())])?;
    let megawatts = |power: Watts| power as f64 / 1e6;
    let series = |of: fn(&Point) -> Watts| {
        points.iter().map(|point| (point.time, megawatts(of(point)))).collect::<Vec<_>>()
    };
    let limits = points.iter().map(|point| (point.time, megawatts(limit)));
    draw_chart(
        &lower,
        "power, MW",
        &[
            ("without control", POSSIBLE, series(|point| point.possible)),
            ("limit", LIMIT, limits.collect()),
            ("with control", POWER, series(|point| point.power)),
        ],
    )?;
    Ok(root.present()?)
}

/// Draws lines over the time of day.
fn draw_chart(area: &Area<'_>, unit: &str, lines: &[Series<'_>]) -> Result<()> {
    let points = || lines.iter().flat_map(|(.., points)| points);
    let days = (points().map(|(hour, _)| *hour).fold(0.0, f64::max) / 24.0).ceil();
    let between_labels =
        [2.0, 4.0, 6.0, 12.0].into_iter().find(|hours| days * 24.0 / hours <= 14.0);
    let hours = (0.0..24.0 * days).step(between_labels.unwrap_or(24.0)).use_floor();
    let top = points().map(|(_, value)| *value).fold(0.1, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(36)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(hours, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE.mix(0.0))
        .label_style((FONT, 15))
        .x_labels(15)
        .x_label_formatter(&|hour| time_of_day(*hour))
        .x_desc("time of day")
        .y_label_formatter(&|value| {
            if top < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
        })
        .y_desc(unit)
        .draw()?;
    for (name, color, points) in lines {
        let style = color.stroke_width(2);
        let line = LineSeries::new(points.iter().copied(), style);
        let sample = move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style);
        chart.draw_series(line)?.label(*name).legend(sample);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(12)
        .legend_area_size(32)
        .label_font((FONT, 15))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Formats a time of day. Midnight shows the day it begins.
fn time_of_day(hour: f64) -> String {
    if hour > 0.0 && hour % 24.0 == 0.0 {
        return format!("day {}", hour / 24.0 + 1.0);
    }
    let minutes = (hour * 60.0).round() as u64 % (24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
