//! Quantiles, interpolated as Python's `statistics.quantiles` does.

pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], sorted[middle]) } else { sorted[middle] }
}

/// The cut point number `cut` of those that divide the values into `parts` parts of equal probability.
pub fn quantile(values: &[f64], cut: usize, parts: usize) -> f64 {
    let sorted = sorted(values);
    let position = cut * (sorted.len() + 1);
    let index = (position / parts).clamp(1, sorted.len() - 1);
    let above = position as f64 / parts as f64 - index as f64;
    sorted[index - 1] * (1.0 - above) + sorted[index] * above
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::{median, quantile};

    #[test]
    fn a_median_is_the_middle_or_between_the_two_middle_values() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_interpolated() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!((quantile(&values, 1, 4) - 1.5).abs() < 1e-9);
        assert!((quantile(&values, 3, 4) - 4.5).abs() < 1e-9);
        // Beyond the values, on the line through the last two.
        assert!((quantile(&values, 99, 100) - 5.94).abs() < 1e-9);
    }
}
