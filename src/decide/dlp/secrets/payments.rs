//! Keys of payments, of trade and of shipping.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("stripe-key", "Stripe, API keys")
        .at(&["sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_"])
        .like(r"[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,120}")
        .finds(&["rk_live_Fmp3BXimOex"])
        .leaves(&["rk_live_Fmp3BXimO"]),
    Detector::key("stripe-webhook-secret", "Stripe, webhook signatures")
        .at(&["whsec_"])
        .like(r"whsec_[A-Za-z0-9+/]{32,64}={0,2}")
        .finds(&["whsec_CoxrqexLtIQukCanz8NoIn8COIoOR4Q87y"])
        .leaves(&["whsec_CoxrqexLtIQukCanz8NoIn8COIoOR4Q"]),
    Detector::key("square-token", "Square, access tokens")
        .at(&["sq0atp-"])
        .like(r"sq0atp-[A-Za-z0-9_-]{22}")
        .finds(&["sq0atp-xGO5mFjKm57bYfIXT5j6sc"])
        .leaves(&["sq0atp-xGO5mFjKm57bYfIXT5j6s"]),
    Detector::key("square-access-token", "Square, access tokens")
        .at(&["eaaa"])
        .like(r"EAAA[A-Za-z0-9_-]{60}")
        .finds(&["EAAAFMz3IeuMcg0EJEM39Zwfo9CnB22wImeZFKDyzuFUgvFtmA1m86AA040ZOAxd"])
        .leaves(&["EAAAFMz3IeuMcg0EJEM39Zwfo9CnB22wImeZFKDyzuFUgvFtmA1m86AA040ZOAx"]),
    Detector::key("square-oauth-secret", "Square, OAuth API")
        .at(&["sq0csp-"])
        .like(r"sq0csp-[A-Za-z0-9_-]{43}")
        .finds(&["sq0csp-AQt8sDkmkhhxIKWvAq7drx1sf72fp6iOcPfa8mZAJFV"])
        .leaves(&["sq0csp-AQt8sDkmkhhxIKWvAq7drx1sf72fp6iOcPfa8mZAJF"]),
    Detector::key("braintree-access-token", "PayPal, Braintree access tokens")
        .at(&["access_token$"])
        .like(r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}")
        .finds(&["access_token$production$6bscihme7f0psnek$3876b781d9a4e8ad44f7cd4d92c8a49e"])
        .leaves(&["access_token$production$6bscihme7f0psnek$3876b781d9a4e8ad44f7cd4d92c8a49"]),
    Detector::key("flutterwave-key", "Flutterwave, API keys")
        .at(&["flwseck", "flwpubk"])
        .like(r"FLW(?:SECK|PUBK)(?:_TEST)?-(?:[0-9a-h]{32}-X|[0-9a-h]{12})")
        .finds(&["FLWPUBK-1ege47f832b9he24a78982dd1gagc3bc-X"])
        .leaves(&["FLWPUBK-1ege47f832b9he24a78982dd1gagc3bc-"]),
    Detector::key("plaid-access-token", "Plaid, API tokens")
        .at(&["access-sandbox-", "access-development-", "access-production-"])
        .like(r"access-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .finds(&["access-production-2a726f03-05dd-b9ca-5986-b7bfaf341cfc"])
        .leaves(&["access-production-2a726f03-05dd-b9ca-5986-b7bfaf341cf"]),
    Detector::key("razorpay-key", "Razorpay, API keys")
        .at(&["rzp_live_", "rzp_test_"])
        .like(r"rzp_(?:live|test)_[A-Za-z0-9]{14}")
        .finds(&["rzp_live_dxkBVtk8OO6HBa"])
        .leaves(&["rzp_live_dxkBVtk8OO6HB"]),
    Detector::key("shopify-token", "Shopify, access tokens")
        .at(&["shpat_", "shpca_", "shppa_", "shpss_", "shpua_"])
        .like(r"shp(?:at|ca|pa|ss|ua)_[0-9a-fA-F]{32}")
        .finds(&["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"])
        .leaves(&["shppa_421f644D2F77631FfBA73E0DeDA2DD6"]),
    Detector::key("shippo-token", "Shippo, API tokens")
        .at(&["shippo_live_", "shippo_test_"])
        .like(r"shippo_(?:live|test)_[0-9a-f]{40}")
        .finds(&["shippo_test_6aac27a65a39059862dd2a64aae121ca4ec6801f"])
        .leaves(&["shippo_test_6aac27a65a39059862dd2a64aae121ca4ec6801"]),
    Detector::key("easypost-key", "EasyPost, API keys")
        .at(&["ezak", "eztk"])
        .like(r"EZ[AT]K[A-Za-z0-9]{54}")
        .finds(&["EZAKji1XB8x27lBEPF3txxTeWp1uYvFwreooHzhMXkHYv21Snpbxnkdf5v"])
        .leaves(&["EZAKji1XB8x27lBEPF3txxTeWp1uYvFwreooHzhMXkHYv21Snpbxnkdf5"]),
    Detector::key("duffel-token", "Duffel, access tokens")
        .at(&["duffel_test_", "duffel_live_"])
        .like(r"duffel_(?:test|live)_[A-Za-z0-9_=-]{43}")
        .finds(&["duffel_live_7IyT4UxhqzxpPnyJuUlK0hw9sr0wd73RoVlBvYaFFGc"])
        .leaves(&["duffel_live_7IyT4UxhqzxpPnyJuUlK0hw9sr0wd73RoVlBvYaFFG"]),
    Detector::key("gocardless-token", "GoCardless, access tokens")
        .like(r"(?:live|sandbox)_[A-Za-z0-9_=-]{40}")
        .near(&["gocardless"])
        .finds(&["sandbox_wQ3VFpa3oQvg0P3EbptMpqvoAwbMheQBWOCFVReF"])
        .leaves(&["sandbox_wQ3VFpa3oQvg0P3EbptMpqvoAwbMheQBWOCFVRe"]),
    Detector::key("alchemy-token", "Alchemy, API keys")
        .at(&["alcht_"])
        .like(r"alcht_[A-Za-z0-9]{30}")
        .finds(&["alcht_3ST9Lbhefq17bqo0DA2VIbS3d0IPNz"])
        .leaves(&["alcht_3ST9Lbhefq17bqo0DA2VIbS3d0IPN"]),
    Detector::key("mercury-token", "Mercury, API tokens")
        .at(&["mercury_production_", "mercury_sandbox_"])
        .like(r"mercury_(?:production|sandbox)_[a-z]{3,8}_[A-Za-z0-9]{30,60}(?:_[a-z]{4,10})?")
        .finds(&["mercury_production_zbgza_y3oIuX32vZ5iQJtn9TRGdg9vpsMX0Tqxxy"])
        .leaves(&["mercury_production_zbgza_y3oIuX32vZ5iQJtn9TRGdg9vpsMX0"]),
];
