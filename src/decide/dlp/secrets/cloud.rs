//! Credentials of clouds: accounts, service accounts, storage.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("aws-access-key", "AWS, IAM unique identifiers")
        .at(&["akia", "asia", "abia", "acca"])
        .like(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}")
        .finds(&["AKIASKCZTKMBF6JDPYF3"])
        .leaves(&["AKIASKCZTKMBF6JDPYF"]),
    Detector::key("aws-bedrock-key", "AWS, Amazon Bedrock API keys")
        .at(&["absk"])
        .like(r"ABSK[A-Za-z0-9+/]{109,269}={0,2}")
        .finds(&["ABSKAnknyD7PmcAPftZDBkb1gA8fpjSkBmNy0lCuWe4bOmmC8B6zgzKwbVkqxFvZuRRRuAr46DRuVlINBjc6rqUfLbNdOMTqHa14vQNpA5LWoO0oPgCsd="])
        .leaves(&["ABSKAnknyD7PmcAPftZDBkb1gA8fpjSkBmNy0lCuWe4bOmmC8B6zgzKwbVkqxFvZuRRRuAr46DRuVlINBjc6rqUfLbNdOMTqHa14vQNpA5LWoO0o"]),
    Detector::key("aws-bedrock-short-term-key", "AWS, Amazon Bedrock API keys")
        .at(&["bedrock-api-key-"])
        .like(r"bedrock-api-key-[A-Za-z0-9+/]{100,1500}={0,2}")
        .finds(&["bedrock-api-key-zkmVLSBXfhZ9gUxLMpVnrb0Tr1LIRrvZyKbeYHIxutDszzQpY7Ttkp6rudlylVQSkT3SvnRcTnUpbukIBC7xIIdVdLR3QbIWbnpbaczm="])
        .leaves(&["bedrock-api-key-zkmVLSBXfhZ9gUxLMpVnrb0Tr1LIRrvZyKbeYHIxutDszzQpY7Ttkp6rudlylVQSkT3SvnRcTnUpbukIBC7xIIdVdLR3QbIWbnp"]),
    Detector::key("aws-marketplace-token", "AWS, Marketplace Web Service")
        .at(&["amzn.mws."])
        .like(r"amzn\.mws\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .finds(&["amzn.mws.05790e70-fd4e-c1be-3876-7c5e47cc16c8"])
        .leaves(&["amzn.mws.05790e70-fd4e-c1be-3876-7c5e47cc16c"]),
    Detector::key("gcp-api-key", "Google Cloud, API keys")
        .at(&["aiza"])
        .like(r"AIza[A-Za-z0-9_-]{35}")
        .finds(&["AIza7I9dFti0lryC2sAF3DGRjnGohYmHZJyUVVy"])
        .leaves(&["AIza7I9dFti0lryC2sAF3DGRjnGohYmHZJyUVV"]),
    Detector::key("gcp-oauth-client-secret", "Google, OAuth 2.0 client credentials")
        .at(&["gocspx-"])
        .like(r"GOCSPX-[A-Za-z0-9_-]{28}")
        .finds(&["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"])
        .leaves(&["GOCSPX-B3fayUms8YXx64Mt6pwWmOf7NAP"]),
    Detector::key("gcp-oauth-access-token", "Google, OAuth 2.0 access tokens")
        .at(&["ya29."])
        .like(r"ya29\.[A-Za-z0-9_-]{30,300}")
        .finds(&["ya29.IEE4EPbqsPB9vgSGHWLcsAifwHnmdOYRc"])
        .leaves(&["ya29.IEE4EPbqsPB9vgSGHWLcsAifwHnmd"]),
    Detector::key("gcp-oauth-refresh-token", "Google, OAuth 2.0 refresh tokens")
        .at(&["1//0"])
        .like(r"1//0[A-Za-z0-9_-]{60,120}")
        .finds(&["1//0I25svrqwBp0OD7Fz7WLTNjlxnXgU5Si2HlszCpe0dSO6d0t8VqQYz1SAZUXCYbmG"])
        .leaves(&["1//0I25svrqwBp0OD7Fz7WLTNjlxnXgU5Si2HlszCpe0dSO6d0t8VqQYz1SAZUX"]),
    Detector::key("azure-storage-key", "Microsoft, Azure Storage connection strings")
        .at(&["accountkey=", "sharedaccesskey="])
        .like(r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==)")
        .finds(&["AccountKey=74mGUqg3jsR3LPXgUT6vKyI3eu5QfwJXoLhcSho4B8GJMBx5bsdBNqxLvtWjbLQy7AawydILrdzQBYn5MUnWnR=="])
        .leaves(&["AccountKey=74mGUqg3jsR3LPXgUT6vKyI3eu5QfwJXoLhcSho4B8GJMBx5bsdBNqxLvtWjbLQy7AawydILrdzQBYn5MUnWnR="]),
    Detector::key("azure-shared-access-signature", "Microsoft, shared access signatures")
        .at(&["&sig=", "?sig="])
        .like(r"[?&]sig=([A-Za-z0-9%+/]{40,80}(?:=|%3[Dd]))")
        .finds(&["?sig=SGJ7QhO90hZKBACcqtlRkDSMVM8xRVJzdW5ReolxY8C%3D"])
        .leaves(&["?sig=SGJ7QhO90hZKBACcqtlRkDSMVM8xRVJzdW5ReolxY8C%3"]),
    Detector::key("azure-devops-token", "Microsoft, Azure DevOps personal access tokens")
        .at(&["azdo"])
        .like(r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}")
        .finds(&["LZFpQIIfPyG64TpsqQL1kqON8Ijxsdm0jV4xhoDTSNql4kttZRPzbZOuq9n5uBAlos5oaVp7DXAMAZDOPVlj"])
        .leaves(&["LZFpQIIfPyG64TpsqQL1kqON8Ijxsdm0jV4xhoDTSNql4kttZRPzbZOuq9n5uBAlos5oaVp7DXAMAZDOPVl"]),
    Detector::key("azure-ai-key", "Microsoft, Azure AI services")
        .at(&["jqqj9"])
        .like(r"[A-Za-z0-9]{52}JQQJ9[9D][A-Za-z0-9]{26}")
        .finds(&["6MAuHhtZ9sVkrIDqzHuSbzC3qAmHF5B27Ql37T0KQGc3svt3U1MjJQQJ99b1zwLmVgimSKfK8DI05iOiBGae"])
        .leaves(&["6MAuHhtZ9sVkrIDqzHuSbzC3qAmHF5B27Ql37T0KQGc3svt3U1MjJQQJ99b1zwLmVgimSKfK8DI05iOiBGa"]),
    Detector::key("azure-function-key", "Microsoft, Azure Functions")
        .at(&["azfu"])
        .like(r"[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]==")
        .finds(&["RM8pQbcb64FOHoTQXbNKV5l2jcnWZdF5OTwHwFs27WDEAzFujcaNPw=="])
        .leaves(&["RM8pQbcb64FOHoTQXbNKV5l2jcnWZdF5OTwHwFs27WDEAzFujcaNPw="]),
    Detector::key("azure-client-secret", "Microsoft, Entra application credentials")
        .like(r"[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34}")
        .sure(0.9)
        .finds(&["8wz4Q~0aLsJ20BiCJ8f6TCGQjMdDktyXEvcLR"])
        .leaves(&["8wz4Q~0aLsJ20BiCJ8f6TCGQjMdDktyXEvcL"]),
    Detector::key("alibaba-access-key", "Alibaba Cloud, AccessKey pairs")
        .at(&["ltai"])
        .like(r"LTAI[A-Za-z0-9]{12,26}")
        .finds(&["LTAIoJ9jtNRHtCZvd9"])
        .leaves(&["LTAIoJ9jtNRHtCZ"]),
    Detector::key("tencent-secret-id", "Tencent Cloud, API keys")
        .at(&["akid"])
        .like(r"AKID[A-Za-z0-9]{32}")
        .finds(&["AKIDhaX2QAwSbtfjXEPooNIqKiWzmt5Pv11V"])
        .leaves(&["AKIDhaX2QAwSbtfjXEPooNIqKiWzmt5Pv11"]),
    Detector::key("digitalocean-token", "DigitalOcean, API tokens")
        .at(&["dop_v1_", "doo_v1_", "dor_v1_"])
        .like(r"do[opr]_v1_[0-9a-f]{64}")
        .finds(&["dop_v1_5ceba5cf4b8e3caefc2b85758ea91c5885592eba167a569564c65c9908416851"])
        .leaves(&["dop_v1_5ceba5cf4b8e3caefc2b85758ea91c5885592eba167a569564c65c990841685"]),
    Detector::key("yandex-api-key", "Yandex Cloud, API keys")
        .at(&["aqvn"])
        .like(r"AQVN[A-Za-z0-9_-]{35,38}")
        .finds(&["AQVN7NJN7CHnAacuahYaYoFDlLKPiPvISTZfdvVWJ"])
        .leaves(&["AQVN7NJN7CHnAacuahYaYoFDlLKPiPvISTZfdv"]),
    Detector::key("yandex-iam-token", "Yandex Cloud, IAM tokens")
        .at(&["t1.0", "t1.1", "t1.2", "t1.3", "t1.4", "t1.5", "t1.6", "t1.7", "t1.8", "t1.9", "t1.a", "t1.b", "t1.c", "t1.d", "t1.e", "t1.f", "t1.g", "t1.h", "t1.i", "t1.j", "t1.k", "t1.l", "t1.m", "t1.n", "t1.o", "t1.p", "t1.q", "t1.r", "t1.s", "t1.t", "t1.u", "t1.v", "t1.w", "t1.x", "t1.y", "t1.z"])
        .like(r"t1\.[A-Za-z0-9_-]{10,300}={0,2}\.[A-Za-z0-9_-]{86}={0,2}")
        .finds(&["t1.2nxv05VYFYA.IkLv00aCdMljqcMCWzB2OH6pQW7NFBqFPZDwBelG9Qad0p97xod07v15PMlRbTRtfnRK4XrAvyz7r0kJlRywXA=="])
        .leaves(&["t1.2nxv05VYFYA.IkLv00aCdMljqcMCWzB2OH6pQW7NFBqFPZDwBelG9Qad0p97xod07v15PMlRbTRtfnRK4XrAvyz7r0kJlRywX"]),
    Detector::key("scaleway-access-key", "Scaleway, API keys")
        .at(&["scw0", "scw1", "scw2", "scw3", "scw4", "scw5", "scw6", "scw7", "scw8", "scw9", "scwa", "scwb", "scwc", "scwd", "scwe", "scwf", "scwg", "scwh", "scwi", "scwj", "scwk", "scwl", "scwm", "scwn", "scwo", "scwp", "scwq", "scwr", "scws", "scwt", "scwu", "scwv", "scww", "scwx", "scwy", "scwz"])
        .like(r"SCW[A-Z0-9]{17}")
        .finds(&["SCWCKCMLRVYN69D19EUP"])
        .leaves(&["SCWCKCMLRVYN69D19EU"]),
];
