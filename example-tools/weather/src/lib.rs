//! The weather, from Open-Meteo (https://open-meteo.com/en/docs). No key, no secret.
use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, ToolError, ToolType, tool};

#[derive(Deserialize, ToolType)]
struct Place {
    /// The name of a city or village, as in `Berlin`.
    city: String,
    /// Days of forecast, 1 to 16. Three where absent.
    days: Option<u8>,
}

#[derive(Serialize, ToolType)]
struct Forecast {
    /// The place that was found, and its country.
    place: String,
    /// Degrees Celsius, now.
    temperature: f64,
    /// Kilometres an hour, now.
    wind_speed: f64,
    days: Vec<Day>,
}

#[derive(Serialize, ToolType)]
struct Day {
    /// As in `2026-11-21`.
    date: String,
    /// The lowest and highest temperature, in degrees Celsius.
    lowest: f64,
    highest: f64,
}

/// The weather now and in the next days, for a place by its name.
#[tool(title = "Weather forecast", read_only, idempotent, open_world)]
fn get_forecast(
    of: Place,
    #[capability("weather:geocoding:read")] geocoding: Capability,
    #[capability("weather:forecast:read")] weather: Capability,
) -> Result<Forecast, ToolError> {
    let place = find(&geocoding, &of.city)?;
    let days = of.days.unwrap_or(3).clamp(1, 16);
    let answer: Answer = weather
        .get("/v1/forecast")
        .query("latitude", place.latitude)
        .query("longitude", place.longitude)
        .query("current", "temperature_2m,wind_speed_10m")
        .query("daily", "temperature_2m_max,temperature_2m_min")
        .query("timezone", "auto")
        .query("forecast_days", days)
        .send()?
        .error_for_status()?
        .json()?;
    let Daily { time, lowest, highest } = answer.daily;
    let days = time.into_iter().zip(lowest.into_iter().zip(highest));
    Ok(Forecast {
        place: place
            .country
            .map_or(place.name.clone(), |country| format!("{}, {country}", place.name)),
        temperature: answer.current.temperature,
        wind_speed: answer.current.wind_speed,
        days: days.map(|(date, (lowest, highest))| Day { date, lowest, highest }).collect(),
    })
}

fn find(geocoding: &Capability, city: &str) -> Result<Found, ToolError> {
    let answer: Search = geocoding
        .get("/v1/search")
        .query("name", city)
        .query("count", 1)
        .send()?
        .error_for_status()?
        .json()?;
    let nowhere = || ToolError::new("no-such-place", format!("no place is called {city:?}"));
    answer.results.into_iter().next().ok_or_else(nowhere)
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    country: Option<String>,
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
struct Answer {
    current: Current,
    daily: Daily,
}

#[derive(Deserialize)]
struct Current {
    #[serde(rename = "temperature_2m")]
    temperature: f64,
    #[serde(rename = "wind_speed_10m")]
    wind_speed: f64,
}

#[derive(Deserialize)]
struct Daily {
    time: Vec<String>,
    #[serde(rename = "temperature_2m_min")]
    lowest: Vec<f64>,
    #[serde(rename = "temperature_2m_max")]
    highest: Vec<f64>,
}
