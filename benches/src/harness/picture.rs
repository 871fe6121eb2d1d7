//! The chart of results: calls per second, by mode.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::plan::{MODES, Way};
use super::record::{Called, Line};
use super::results::{LIMIT, Results, median};
use super::table::number;

const WIDTH: u32 = 960;
const ROW: u32 = 18;
/// The height above the rows of a mode.
const HEAD: u32 = 34;
/// The left edge of the bars, and the space for the longest number.
const LEFT: i32 = 220;
const RIGHT: i32 = 160;

/// The bars of a mode: name, calls per second, ratio to the limit.
struct Panel {
    title: String,
    bars: Vec<(String, f64, Option<f64>)>,
}

/// Draws the chart. Returns whether there was any data.
pub(crate) fn draw(lines: &[Line], path: &Path) -> Result<bool, Box<dyn Error>> {
    let panels = panels(&Results::of(lines));
    let rates = || panels.iter().flat_map(|panel| panel.bars.iter().map(|bar| bar.1));
    let (low, high) = (rates().fold(f64::MAX, f64::min), rates().fold(0.0, f64::max));
    if panels.is_empty() {
        return Ok(false);
    }
    // The axis starts at the power of ten below the minimum.
    let from = low.max(1.0).log10().floor();
    let to = high.max(10.0).log10().max(from + 0.1);
    let height: u32 = panels.iter().map(|panel| HEAD + ROW * panel.bars.len() as u32).sum();
    let area = SVGBackend::new(path, (WIDTH, height + HEAD)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
    let (mut top, room) = (8, f64::from(WIDTH as i32 - LEFT - RIGHT));
    for Panel { title, bars } in &panels {
        area.draw(&Text::new(title.as_str(), (8, top + 8), font(15)))?;
        top += HEAD as i32;
        for (name, rate, ratio) in bars {
            let length = room * (rate.max(1.0).log10() - from) / (to - from);
            let (end, middle) = (LEFT + length as i32, top + ROW as i32 / 2);
            let corners = [(LEFT, top + 2), (end, top + ROW as i32 - 2)];
            area.draw(&Rectangle::new(corners, colour(name).filled()))?;
            let right = font(12).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.as_str(), (LEFT - 6, middle), right))?;
            let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
            let left = font(12).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(number(*rate) + &ratio, (end + 6, middle), left))?;
            top += ROW as i32;
        }
    }
    let foot = format!("Calls/s, median, on a logarithmic scale; in brackets: times {LIMIT}");
    area.draw(&Text::new(foot, (8, top + 10), font(12)))?;
    area.present()?;
    Ok(true)
}

fn panels(results: &Results<'_>) -> Vec<Panel> {
    let mut panels = Vec::new();
    for mode in MODES {
        for way in [Way::Tcp, Way::Unix, Way::Tls] {
            let here = results.of_mode(mode.name, way);
            let limit = results.limit(mode.name, way);
            let bars = here.contestants().into_iter().filter_map(|name| {
                let runs = here.of_contestant(name);
                let rate = median(runs.calls().iter().map(|(_, called)| called.rate()))?;
                Some((name.to_owned(), rate, median(runs.ratios(&limit, Called::rate))))
            });
            let mut bars: Vec<_> = bars.collect();
            bars.sort_by(|a, b| b.1.total_cmp(&a.1));
            if !bars.is_empty() {
                panels.push(Panel { title: format!("{}, {}", mode.what, way.name()), bars });
            }
        }
    }
    panels
}

/// Returns the colour of a limit, of aiomas or of a peer.
fn colour(name: &str) -> RGBColor {
    if name.starts_with("limit") {
        RGBColor(160, 160, 160)
    } else if name.starts_with("ours") {
        RGBColor(46, 125, 180)
    } else {
        RGBColor(215, 140, 60)
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::samples::{calls, spawned};
    use super::*;

    #[test]
    fn a_bar_for_each_contestant() {
        let file = format!("aiomas-bench-picture-{}.svg", std::process::id());
        let path = std::env::temp_dir().join(file);
        let mut lines = vec![spawned("ours", 1)];
        assert!(!draw(&lines, &path).expect("nothing to draw"));
        lines.push(calls(1, "seq", LIMIT, 20_000));
        lines.push(calls(1, "seq", "ours", 10_000));
        assert!(draw(&lines, &path).expect("a picture"));
        let svg = std::fs::read_to_string(&path).expect("a file");
        std::fs::remove_file(&path).expect("a removable file");
        for text in ["1 call in flight, TCP", LIMIT, "20,000 (1.00)", "10,000 (0.50)"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        // Two bars on the background.
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
    }
}
