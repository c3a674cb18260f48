//! Keys of providers of models, and of what stands around models.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("openai-key", "OpenAI, API keys")
        .at(&[
            "sk-0", "sk-1", "sk-2", "sk-3", "sk-4", "sk-5", "sk-6", "sk-7", "sk-8", "sk-9", "sk-a", "sk-b",
            "sk-c", "sk-d", "sk-e", "sk-f", "sk-g", "sk-h", "sk-i", "sk-j", "sk-k", "sk-l", "sk-m", "sk-n",
            "sk-o", "sk-p", "sk-q", "sk-r", "sk-s", "sk-t", "sk-u", "sk-v", "sk-w", "sk-x", "sk-y", "sk-z",
        ])
        .like(r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}")
        .finds(&["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"])
        .leaves(&["sk-VYOdvkEdoAWnU2K1iip8T3BlbkFJJYSizBFqnbRuJyXlsXY"]),
    Detector::key("openai-project-key", "OpenAI, API keys")
        .at(&["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-none-"])
        .like(r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{40,220}")
        .finds(&["sk-admin-4ovJbUAlmSS1ip4f7lw9v2QibuvOSRMKFEqJ0IsJ"])
        .leaves(&["sk-admin-4ovJbUAlmSS1ip4f7lw9v2QibuvOSRMKFEqJ0Is"]),
    Detector::key("anthropic-key", "Anthropic, API keys")
        .at(&["sk-ant-"])
        .like(r"sk-ant-[a-z]{2,6}[0-9]{2}-[A-Za-z0-9_-]{80,120}")
        .finds(&[
            "sk-ant-hg22-8jDbMQAk1FFyRuTrQoI3J8VBqktixZiGYLLhyzhPOuHNKbaarV3Qzaz3lZwKnKvficbszWKyCgDPAkKKeUg",
        ])
        .leaves(&[
            "sk-ant-hg22-8jDbMQAk1FFyRuTrQoI3J8VBqktixZiGYLLhyzhPOuHNKbaarV3Qzaz3lZwKnKvficbszWKyCgDPAkK",
        ]),
    Detector::key("huggingface-token", "Hugging Face, user access tokens")
        .at(&[
            "hf_a", "hf_b", "hf_c", "hf_d", "hf_e", "hf_f", "hf_g", "hf_h", "hf_i", "hf_j", "hf_k", "hf_l",
            "hf_m", "hf_n", "hf_o", "hf_p", "hf_q", "hf_r", "hf_s", "hf_t", "hf_u", "hf_v", "hf_w", "hf_x",
            "hf_y", "hf_z",
        ])
        .like(r"hf_[A-Za-z0-9]{34,40}")
        .finds(&["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"])
        .leaves(&["hf_QwmTzLpVbRkXnDsHcYgJfWaUeMtNqBvZr"]),
    Detector::key("huggingface-organization-token", "Hugging Face, organization API tokens")
        .at(&["api_org_"])
        .like(r"api_org_[A-Za-z]{34}")
        .finds(&["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"])
        .leaves(&["api_org_QwmTzLpVbRkXnDsHcYgJfWaUeMtNqBvZr"]),
    Detector::key("groq-key", "Groq, API keys")
        .at(&["gsk_"])
        .like(r"gsk_[A-Za-z0-9]{52}")
        .finds(&["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"])
        .leaves(&["gsk_2i4wQdlxRRVgl5NdVf4ct8VC4hnhxBgwCpfhwj82RUEwEaxQNmn"]),
    Detector::key("perplexity-key", "Perplexity, API keys")
        .at(&["pplx-"])
        .like(r"pplx-[A-Za-z0-9]{40,56}")
        .finds(&["pplx-wswj944knczpFbMtOBL12BiCXxlX8M5d0gavdZGIN"])
        .leaves(&["pplx-wswj944knczpFbMtOBL12BiCXxlX8M5d0gavdZG"]),
    Detector::key("replicate-token", "Replicate, API tokens")
        .at(&[
            "r8_0", "r8_1", "r8_2", "r8_3", "r8_4", "r8_5", "r8_6", "r8_7", "r8_8", "r8_9", "r8_a", "r8_b",
            "r8_c", "r8_d", "r8_e", "r8_f", "r8_g", "r8_h", "r8_i", "r8_j", "r8_k", "r8_l", "r8_m", "r8_n",
            "r8_o", "r8_p", "r8_q", "r8_r", "r8_s", "r8_t", "r8_u", "r8_v", "r8_w", "r8_x", "r8_y", "r8_z",
        ])
        .like(r"r8_[A-Za-z0-9]{37}")
        .finds(&["r8_Xn3Nk299M4kONDPUHkKwdtsxVxAyfRoDtCfUX"])
        .leaves(&["r8_Xn3Nk299M4kONDPUHkKwdtsxVxAyfRoDtCfU"]),
    Detector::key("xai-key", "xAI, API keys")
        .at(&["xai-"])
        .like(r"xai-[A-Za-z0-9]{70,90}")
        .finds(&["xai-Rg4mOPCFiVeO1Gl7KheeI9LC6VpHeQe0dpRemfim01ddn5ZRXXohfU1SWdG13kVq0kC5mu9HCX"])
        .leaves(&["xai-Rg4mOPCFiVeO1Gl7KheeI9LC6VpHeQe0dpRemfim01ddn5ZRXXohfU1SWdG13kVq0kC5m"]),
    Detector::key("deepseek-key", "DeepSeek, API keys")
        .at(&[
            "sk-0", "sk-1", "sk-2", "sk-3", "sk-4", "sk-5", "sk-6", "sk-7", "sk-8", "sk-9", "sk-a", "sk-b",
            "sk-c", "sk-d", "sk-e", "sk-f",
        ])
        .like(r"sk-[0-9a-f]{32}")
        .finds(&["sk-2427160aaee3f1409434d0413ed8a31d"])
        .leaves(&["sk-2427160aaee3f1409434d0413ed8a31"]),
    Detector::key("openrouter-key", "OpenRouter, API keys")
        .at(&["sk-or-v1-"])
        .like(r"sk-or-v1-[0-9a-f]{64}")
        .finds(&["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"])
        .leaves(&["sk-or-v1-b6bece340dd7b1f76cdd75f671c9800418819ccb5c7c33f24968e9cd0ff2263"]),
    Detector::key("together-key", "Together AI, API keys")
        .at(&["tgp_v1_"])
        .like(r"tgp_v1_[A-Za-z0-9_-]{43}")
        .finds(&["tgp_v1_EzBsq3vu0Mm4qBoaO8R992AvASyeEWt5pPPe12sAqAM"])
        .leaves(&["tgp_v1_EzBsq3vu0Mm4qBoaO8R992AvASyeEWt5pPPe12sAqA"]),
    Detector::key("fireworks-key", "Fireworks AI, API keys")
        .at(&[
            "fw_0", "fw_1", "fw_2", "fw_3", "fw_4", "fw_5", "fw_6", "fw_7", "fw_8", "fw_9", "fw_a", "fw_b",
            "fw_c", "fw_d", "fw_e", "fw_f", "fw_g", "fw_h", "fw_i", "fw_j", "fw_k", "fw_l", "fw_m", "fw_n",
            "fw_o", "fw_p", "fw_q", "fw_r", "fw_s", "fw_t", "fw_u", "fw_v", "fw_w", "fw_x", "fw_y", "fw_z",
        ])
        .like(r"fw_[A-Za-z0-9]{22,24}")
        .finds(&["fw_vcV0Rj4OPZVOmvIbHpPjNg"])
        .leaves(&["fw_vcV0Rj4OPZVOmvIbHpPjN"]),
    Detector::key("cerebras-key", "Cerebras, API keys")
        .at(&["csk-"])
        .like(r"csk-[a-z0-9]{48}")
        .finds(&["csk-24x7vqjmthm5arjb8o98u10j69zc1s24op6pflvo5waxsq8b"])
        .leaves(&["csk-24x7vqjmthm5arjb8o98u10j69zc1s24op6pflvo5waxsq8"]),
    Detector::key("elevenlabs-key", "ElevenLabs, API keys")
        .at(&[
            "sk_0", "sk_1", "sk_2", "sk_3", "sk_4", "sk_5", "sk_6", "sk_7", "sk_8", "sk_9", "sk_a", "sk_b",
            "sk_c", "sk_d", "sk_e", "sk_f",
        ])
        .like(r"sk_[0-9a-f]{48}")
        .finds(&["sk_d0711b028b408a0d977d3d24119034f4c266089c34573706"])
        .leaves(&["sk_d0711b028b408a0d977d3d24119034f4c266089c3457370"]),
    Detector::key("nvidia-key", "NVIDIA, API keys")
        .at(&["nvapi-"])
        .like(r"nvapi-[A-Za-z0-9_-]{60,70}")
        .finds(&["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"])
        .leaves(&["nvapi-TwWWDfu0Yf64Ywd2OIZndUk0pMNcNBCpfB3G7uPakSurZmVrOyjVrs4Zxk0"]),
    Detector::key("langsmith-key", "LangSmith, API keys")
        .at(&["lsv2_pt_", "lsv2_sk_"])
        .like(r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}")
        .finds(&["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"])
        .leaves(&["lsv2_sk_41191df355f26c63cea5b3b1ebd1a1c8_6603d89c9"]),
    Detector::key("langfuse-secret-key", "Langfuse, API keys")
        .at(&["sk-lf-"])
        .like(r"sk-lf-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
        .finds(&["sk-lf-6da7244e-2e5a-c6de-af40-2e6c7e007b11"])
        .leaves(&["sk-lf-6da7244e-2e5a-c6de-af40-2e6c7e007b1"]),
    Detector::key("pinecone-key", "Pinecone, API keys")
        .at(&["pcsk_"])
        .like(r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{50,70}")
        .finds(&["pcsk_O28PfW_U413xv0R4AWZJeGB2NJxL29licrYwuJsGN6bnqty1eP0FxSX50K3c"])
        .leaves(&["pcsk_O28PfW_U413xv0R4AWZJeGB2NJxL29licrYwuJsGN6bnqty1eP0FxSX5"]),
    Detector::key("jina-key", "Jina AI, API keys")
        .at(&["jina_"])
        .like(r"jina_[0-9a-f]{32}[A-Za-z0-9_-]{28}")
        .finds(&["jina_6967c8775eccfc2d08ee68ad739528309KXNKAD8QmwBWMpx3Wqi739fXtif"])
        .leaves(&["jina_6967c8775eccfc2d08ee68ad739528309KXNKAD8QmwBWMpx3Wqi739fXti"]),
    Detector::key("tavily-key", "Tavily, API keys")
        .at(&["tvly-"])
        .like(r"tvly-(?:(?:dev|prod)-)?[A-Za-z0-9]{32}")
        .finds(&["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"])
        .leaves(&["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"]),
    Detector::key("firecrawl-key", "Firecrawl, API keys")
        .at(&[
            "fc-0", "fc-1", "fc-2", "fc-3", "fc-4", "fc-5", "fc-6", "fc-7", "fc-8", "fc-9", "fc-a", "fc-b",
            "fc-c", "fc-d", "fc-e", "fc-f",
        ])
        .like(r"fc-[0-9a-f]{32}")
        .finds(&["fc-21a587e7ed5c1e943ec9ae6e8a9bafa0"])
        .leaves(&["fc-21a587e7ed5c1e943ec9ae6e8a9bafa"]),
    Detector::key("e2b-key", "E2B, API keys")
        .at(&["e2b_"])
        .like(r"e2b_[0-9a-f]{40}")
        .finds(&["e2b_8ede98e79e156be7135cc3027040fa1d450e6361"])
        .leaves(&["e2b_8ede98e79e156be7135cc3027040fa1d450e636"]),
    Detector::key("llamaindex-key", "LlamaIndex, LlamaCloud API keys")
        .at(&["llx-"])
        .like(r"llx-[A-Za-z0-9]{48}")
        .finds(&["llx-Vsyz0yAipeI6SAq2qmXd5NyxYbDUatEXUMyWkG3ZXU04NHfe"])
        .leaves(&["llx-Vsyz0yAipeI6SAq2qmXd5NyxYbDUatEXUMyWkG3ZXU04NHf"]),
    Detector::key("weights-and-biases-key", "Weights & Biases, API keys")
        .at(&["wandb_v1_"])
        .like(r"wandb_v1_[A-Za-z0-9_]{60,90}")
        .finds(&["wandb_v1_YeDrayTCPTMprZuL3jU4NuNPPO0wiujK9YtZskWEKu62JPXAFQPmRIGHQBt6qxe2"])
        .leaves(&["wandb_v1_YeDrayTCPTMprZuL3jU4NuNPPO0wiujK9YtZskWEKu62JPXAFQPmRIGHQBt"]),
];
