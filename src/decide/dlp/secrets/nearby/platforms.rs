//! Keys of what programs run on and with, by its name before them: clouds, hosts, monitoring, models.
//!
//! One entry for each service. Where the value of an assignment fits several, the first stays. Values are invented.

use super::super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("aws-secret-key", "AWS, IAM access keys")
        .like(r"[A-Za-z0-9/+]{40}")
        .near(&["aws", "amazon", "secret_access_key", "secretaccesskey", "secret access key"])
        .finds(&["gkosC9NXMEE2mFBMTzSByU0jUB8vbgrpDCBwKsj6"])
        .leaves(&["gkosC9NXMEE2mFBMTzSByU0jUB8vbgrpDCBwKsj"]),
    Detector::key("azure-key", "Microsoft, Azure keys")
        .like(r"(?:[0-9a-f]{32}|[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}=)")
        .near(&["azure"])
        .finds(&["fTnZu5LFf9MGAfzbURXNIxfozyPWgRqs8Y8YN1a6WClnNZVWfM6qwYXVgz7XYw1NUGXnZ8PsEDX3P5ixY0JeU2=="])
        .leaves(&["fTnZu5LFf9MGAfzbURXNIxfozyPWgRqs8Y8YN1a6WClnNZVWfM6qwYXVgz7XYw1NUGXnZ8PsEDX3P5ixY0JeU2"]),
    Detector::key("alibaba-secret-key", "Alibaba Cloud, AccessKey pairs")
        .like(r"[A-Za-z0-9]{30}")
        .near(&["alibaba", "aliyun"])
        .finds(&["MY9IGdX0ujxeExSckP0QoJHJc7SMDY"])
        .leaves(&["MY9IGdX0ujxeExSckP0QoJHJc7SMD"]),
    Detector::key("ibm-cloud-key", "IBM Cloud, API keys")
        .like(r"(?:[A-Za-z0-9_-]{44}|[0-9a-z]{64})")
        .near(&["ibm", "softlayer"])
        .finds(&["5u5zzsbbfy6amsk1mlq6ok1k4s2y5aqe720zsb68zi8vmnetp1wtlloabzb4mbu7"])
        .leaves(&["5u5zzsbbfy6amsk1mlq6ok1k4s2y5aqe720zsb68zi8"]),
    Detector::key("linode-token", "Akamai, Linode API tokens")
        .like(r"[0-9a-f]{64}")
        .near(&["linode"])
        .finds(&["08c8ef0e94db98864edf1aa43ae9261a18352d97fd4f398f7a7bc0b3de8c9743"])
        .leaves(&["08c8ef0e94db98864edf1aa43ae9261a18352d97fd4f398f7a7bc0b3de8c974"]),
    Detector::key("hetzner-token", "Hetzner, Cloud API tokens")
        .like(r"[A-Za-z0-9]{64}")
        .near(&["hetzner", "hcloud"])
        .finds(&["kmYIDWIHLVTI6h4wybfDRzlUph1csNBo0qSt6nc0mLAN0sBYGgGS3sAqVbyJj6hA"])
        .leaves(&["kmYIDWIHLVTI6h4wybfDRzlUph1csNBo0qSt6nc0mLAN0sBYGgGS3sAqVbyJj6h"]),
    Detector::key("vultr-key", "Vultr, API keys")
        .like(r"[A-Z0-9]{36}")
        .near(&["vultr"])
        .finds(&["QFJOF85B67Z5XVJQFZEOTYVG9NG2KGQJ0849"])
        .leaves(&["QFJOF85B67Z5XVJQFZEOTYVG9NG2KGQJ084"]),
    Detector::key("scaleway-secret-key", "Scaleway, API keys")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["scaleway", "scw_"])
        .finds(&["418cca5d-7b3a-4fb2-b7fa-3f92611a97c8"])
        .leaves(&["418cca5d-7b3a-4fb2-b7fa-3f92611a97c"]),
    Detector::key("ovh-key", "OVHcloud, API credentials")
        .like(r"[A-Za-z0-9]{16,32}")
        .near(&["ovh"])
        .finds(&["M35AFl4aQQnUkCnc"])
        .leaves(&["M35AFl4aQQnUkCn"]),
    Detector::key("cloudflare-key", "Cloudflare, API tokens")
        .like(r"(?:[0-9a-f]{37,45}|[A-Za-z0-9_-]{40})")
        .near(&["cloudflare"])
        .finds(&["01967ec622d457f63167e3d2f3f673fad197b"])
        .leaves(&["01967ec622d457f63167e3d2f3f673fad197"]),
    Detector::key("fastly-token", "Fastly, API tokens")
        .like(r"[A-Za-z0-9_-]{32}")
        .near(&["fastly"])
        .finds(&["2cSLIPODa07f3UgLDyk3j2KOQ9y7TGQP"])
        .leaves(&["2cSLIPODa07f3UgLDyk3j2KOQ9y7TGQ"]),
    Detector::key("datadog-key", "Datadog, API and application keys")
        .like(r"(?:[0-9a-f]{32}|[0-9a-z]{40})")
        .near(&["datadog", "dd_api", "dd_app"])
        .finds(&["475ad0818e011889fcfad680ccc63137"])
        .leaves(&["475ad0818e011889fcfad680ccc6313"]),
    Detector::key("sumologic-key", "Sumo Logic, access keys")
        .like(r"(?:su[A-Za-z0-9]{12}|[A-Za-z0-9]{64})")
        .near(&["sumo"])
        .finds(&["surk8CIJPi7HCt"])
        .leaves(&["surk8CIJPi7HC"]),
    Detector::key("splunk-token", "Splunk, HTTP Event Collector")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["splunk"])
        .finds(&["51abcc3e-1d37-b714-9ba9-4421d31cf674"])
        .leaves(&["51abcc3e-1d37-b714-9ba9-4421d31cf67"]),
    Detector::key("pagerduty-key", "PagerDuty, API access keys")
        .like(r"(?:u\+[A-Za-z0-9_+-]{18}|[A-Za-z0-9_-]{20}|[0-9a-f]{32})")
        .near(&["pagerduty", "pager_duty"])
        .finds(&["sTgmG7BJtWdiHtUaT5DT"])
        .leaves(&["sTgmG7BJtWdiHtUaT5D"]),
    Detector::key("opsgenie-key", "Atlassian, Opsgenie API keys")
        .like(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .near(&["opsgenie"])
        .finds(&["6f3ca013-6229-4632-c6f9-ab6da7ead800"])
        .leaves(&["6f3ca013-6229-4632-c6f9-ab6da7ead80"]),
    Detector::key("rollbar-token", "Rollbar, access tokens")
        .like(r"[0-9a-f]{32}")
        .near(&["rollbar"])
        .finds(&["f9f994fe66a5d8ad9fb6b9912cefbccf"])
        .leaves(&["f9f994fe66a5d8ad9fb6b9912cefbcc"]),
    Detector::key("mixpanel-secret", "Mixpanel, project secrets")
        .like(r"[0-9A-Za-z]{32}")
        .near(&["mixpanel"])
        .finds(&["9eKt83wMAYBk8cRZs3Pu7PhaOjmyxaEO"])
        .leaves(&["9eKt83wMAYBk8cRZs3Pu7PhaOjmyxaE"]),
    Detector::key("amplitude-key", "Amplitude, API keys")
        .like(r"[0-9a-f]{32}")
        .near(&["amplitude"])
        .finds(&["55247e3a82f8c3b2a4b8da17ead7f6ab"])
        .leaves(&["55247e3a82f8c3b2a4b8da17ead7f6a"]),
    Detector::key("segment-key", "Twilio Segment, write keys")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["segment"])
        .finds(&["S5erXKzf9BDtP0w7m8cDWBt1RTUkJurm"])
        .leaves(&["S5erXKzf9BDtP0w7m8cDWBt1RTUkJur"]),
    Detector::key("sentry-token", "Sentry, auth tokens")
        .like(r"[0-9a-f]{64}")
        .near(&["sentry"])
        .finds(&["42998de6084c4d0a05a5bb890ddc8b8622c9fc4f7e4b7c0240125dc55d73caab"])
        .leaves(&["42998de6084c4d0a05a5bb890ddc8b8622c9fc4f7e4b7c0240125dc55d73caa"]),
    Detector::key("cohere-key", "Cohere, API keys")
        .like(r"[A-Za-z0-9]{40}")
        .near(&["cohere", "co_api"])
        .finds(&["zPcmArivftG7d4WX4B1QlsPMov1o0UsYbtpO9b9f"])
        .leaves(&["zPcmArivftG7d4WX4B1QlsPMov1o0UsYbtpO9b9"]),
    Detector::key("mistral-key", "Mistral AI, API keys")
        .like(r"[A-Za-z0-9]{32}")
        .near(&["mistral"])
        .finds(&["HKuO2aKfrowWhB9ghawoGIbsFGp2lwOF"])
        .leaves(&["HKuO2aKfrowWhB9ghawoGIbsFGp2lwO"]),
    Detector::key("assemblyai-key", "AssemblyAI, API keys")
        .like(r"[0-9a-f]{32}")
        .near(&["assemblyai", "assembly_ai"])
        .finds(&["16bdb15f55623ff5081437c6ff6f8bf6"])
        .leaves(&["16bdb15f55623ff5081437c6ff6f8bf"]),
    Detector::key("deepgram-key", "Deepgram, API keys")
        .like(r"[0-9a-f]{40}")
        .near(&["deepgram"])
        .finds(&["fc92873a3b841977803f9e32b273ee4de9e497d9"])
        .leaves(&["fc92873a3b841977803f9e32b273ee4de9e497d"]),
    Detector::key("stability-key", "Stability AI, API keys")
        .like(r"sk-[A-Za-z0-9]{48}")
        .near(&["stability"])
        .finds(&["sk-18w9iNnIbgrbotEwICG0WpAl5Bk5G9ajANeJlJftTNH8XEiP"])
        .leaves(&["sk-18w9iNnIbgrbotEwICG0WpAl5Bk5G9ajANeJlJftTNH8XEi"]),
    Detector::key("voyage-key", "Voyage AI, API keys")
        .like(r"pa-[A-Za-z0-9_-]{43}")
        .near(&["voyage"])
        .finds(&["pa-FyFRU4uqmYGkjc3nUq6PhEkbKNEBijRTMh0IsB3kaL3"])
        .leaves(&["pa-FyFRU4uqmYGkjc3nUq6PhEkbKNEBijRTMh0IsB3kaL"]),
];
