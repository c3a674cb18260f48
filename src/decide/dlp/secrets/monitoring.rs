//! Keys of what watches over systems, and of what is measured of visitors.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("sentry-organization-token", "Sentry, auth tokens")
        .at(&["sntrys_ey"])
        .like(r"sntrys_eyJ[A-Za-z0-9+/=]{60,400}_[A-Za-z0-9+/]{43}")
        .finds(&["sntrys_eyJfaykhfKtBoIk2clCqy5iOwwF7sXHf91LUDmR7eVHfg6hXduwRGggkXwpLB4p_2b7vdt8WuVGyPzG1SRR1ADW2TsKrhUWXI21VD6t30fE"])
        .leaves(&["sntrys_eyJfaykhfKtBoIk2clCqy5iOwwF7sXHf91LUDmR7eVHfg6hXduwRGggkXwpLB4p_2b7vdt8WuVGyPzG1SRR1ADW2TsKrhUWXI21VD6t30f"]),
    Detector::key("sentry-user-token", "Sentry, auth tokens")
        .at(&["sntryu_"])
        .like(r"sntryu_[0-9a-f]{64}")
        .finds(&["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"])
        .leaves(&["sntryu_aaa829011df7e0b36e7a57b6eb5676a9ffaa29fe843cea979bd9ee176290501"]),
    Detector::key("grafana-service-account-token", "Grafana, service accounts")
        .at(&["glsa_"])
        .like(r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}")
        .finds(&["glsa_za8wLjQyUXG06THMAN0EP5UFs9nrj7Jx_2Fda9D9C"])
        .leaves(&["glsa_za8wLjQyUXG06THMAN0EP5UFs9nrj7Jx_2Fda9D9"]),
    Detector::key("grafana-cloud-token", "Grafana Cloud, access policy tokens")
        .at(&["glc_ey"])
        .like(r"glc_eyJ[A-Za-z0-9+/]{40,400}={0,2}")
        .finds(&["glc_eyJj3ltm6J42KmTruU51hc86CY4RnRJdUnc9gFivbHJL5"])
        .leaves(&["glc_eyJj3ltm6J42KmTruU51hc86CY4RnRJdUnc9gFivbH"]),
    Detector::key("grafana-api-key", "Grafana, API keys")
        .at(&["eyjrijoi"])
        .like(r"eyJrIjoi[A-Za-z0-9]{60,400}={0,3}")
        .finds(&["eyJrIjoiXe3NgyOLXsCAjCAbVC9WVwUyHIrXzsFgYtVHWebLCMHlPFLNe9Xs6Xk1dFSw==="])
        .leaves(&["eyJrIjoiXe3NgyOLXsCAjCAbVC9WVwUyHIrXzsFgYtVHWebLCMHlPFLNe9Xs6Xk1dFS"]),
    Detector::key("new-relic-user-key", "New Relic, API keys")
        .at(&["nrak-"])
        .like(r"NRAK-[A-Z0-9]{27}")
        .finds(&["NRAK-NGD614KLLCQNJX66XQPSEMS5ESI"])
        .leaves(&["NRAK-NGD614KLLCQNJX66XQPSEMS5ES"]),
    Detector::key("new-relic-browser-key", "New Relic, browser keys")
        .at(&["nrjs-"])
        .like(r"NRJS-[0-9a-f]{19}")
        .finds(&["NRJS-6d7a341c83ec6a9ffb5"])
        .leaves(&["NRJS-6d7a341c83ec6a9ffb"]),
    Detector::key("new-relic-insert-key", "New Relic, Insights insert keys")
        .at(&["nrii-", "nriq-", "nrra-"])
        .like(r"NR(?:II|IQ|RA)-[A-Za-z0-9_-]{32,42}")
        .finds(&["NRIQ-LzNtHEhmfEIXZNogJYOGsAzbxAIr3Ky2"])
        .leaves(&["NRIQ-LzNtHEhmfEIXZNogJYOGsAzbxAIr3Ky"]),
    Detector::key("new-relic-licence-key", "New Relic, licence keys")
        .at(&["ffffnral"])
        .like(r"[0-9a-f]{32}FFFFNRAL")
        .finds(&["f6af1bad1e7d70829c7c764193c00983FFFFNRAL"])
        .leaves(&["f6af1bad1e7d70829c7c764193c00983FFFFNRA"]),
    Detector::key("dynatrace-token", "Dynatrace, access tokens")
        .at(&["dt0c", "dt0s"])
        .like(r"dt0[cs][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}")
        .finds(&["dt0c26.BEO1OBPMZ50N5HC4DZJKVOL6.ZZ1GQ8KASRJLUJWX9K53LR56QN0RDXAAOFR2WCG42VAMSBVQVM1VUUJY1VU17JGZ"])
        .leaves(&["dt0c26.BEO1OBPMZ50N5HC4DZJKVOL6.ZZ1GQ8KASRJLUJWX9K53LR56QN0RDXAAOFR2WCG42VAMSBVQVM1VUUJY1VU17JG"]),
    Detector::key("honeycomb-key", "Honeycomb, API keys")
        .at(&["hcaik_", "hcbik_", "hcxik_"])
        .like(r"hc[abx]ik_[0-9a-z]{26,64}")
        .finds(&["hcaik_v9wrycgfompfoa92hx1r203ipa1ke"])
        .leaves(&["hcaik_v9wrycgfompfoa92hx1r203ip"]),
    Detector::key("posthog-key", "PostHog, API keys")
        .at(&["phx_", "phs_"])
        .like(r"ph[xs]_[A-Za-z0-9]{32,60}")
        .finds(&["phx_Kf7nE2rgqoeOzHjsEJh3R5MlzgLVz0N1"])
        .leaves(&["phx_Kf7nE2rgqoeOzHjsEJh3R5MlzgLVz0N"]),
];
