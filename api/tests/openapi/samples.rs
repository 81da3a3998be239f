//! Values that several samples share.

/// P-256, `/CN=sensor-1`. Anybody may send it once: its key was thrown away.
pub(crate) const CSR: &str = "-----BEGIN CERTIFICATE REQUEST-----\n\
MIHNMHUCAQAwEzERMA8GA1UEAwwIc2Vuc29yLTEwWTATBgcqhkjOPQIBBggqhkjO\n\
PQMBBwNCAATx3uSOcJ/yQI24DY4NzVvJeoS7F3Z13wK+so3QdH/+ogbvbjpW6tq+\n\
dXDO7G8AkXkM71y7vImL35TMX+7jjQo5oAAwCgYIKoZIzj0EAwIDSAAwRQIgPz2h\n\
wiUi5Bx2MbgLYPTo6RFM9qpOxcW2mfcDMjMm6RMCIQCUsIXiOltNTMJLgLN4zRjG\n\
iAVwrYJ7K0nhKiUQfyAASA==\n\
-----END CERTIFICATE REQUEST-----\n\
";

pub(crate) fn damaged() -> serde_json::Value {
    serde_json::json!({ "id": TOKEN_ID, "what": "status" })
}

pub(crate) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n";
pub(crate) const SERIAL: &str = "5f2a9c0d4be7813366f0a1c2d3e4f5061728394a";
pub(crate) const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
pub(crate) const TOKEN_ID: &str = "7q2m8kx41d";
pub(crate) const ISSUER_ID: &str = "1f0c8a52b7d94e63";
pub(crate) const REQUEST_ID: &str = "req-d3a0f1c29b7e5a418c60";
pub(crate) const EARLIER: &str = "2026-01-05T08:00:00Z";
pub(crate) const LATER: &str = "2026-01-06T08:00:00Z";
