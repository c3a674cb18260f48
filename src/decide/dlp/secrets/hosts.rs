//! Tokens of code hosts, of what builds and checks code, and of registries of packages.
//!
//! One entry for each kind, as `detector.rs` describes it; formats are those that providers publish. Values are invented.

use super::super::detector::Detector;
use super::sums;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[
    Detector::key("github-personal-access-token", "GitHub, About authentication to GitHub")
        .at(&["ghp_"])
        .like(r"ghp_[A-Za-z0-9]{36}")
        .summed(sums::crc32_after_prefix)
        .finds(&["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"])
        .leaves(&["ghp_hUYPXnlVVDajWFPsomeYvOsQ9tqoIj3iqpH"]),
    Detector::key("github-oauth-token", "GitHub, About authentication to GitHub")
        .at(&["gho_"])
        .like(r"gho_[A-Za-z0-9]{36}")
        .summed(sums::crc32_after_prefix)
        .finds(&["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"])
        .leaves(&["gho_VvfwErdTytD5cim3r0Stgath7E7L9k3El24"]),
    Detector::key("github-user-to-server-token", "GitHub, About authentication to GitHub")
        .at(&["ghu_"])
        .like(r"ghu_[A-Za-z0-9]{36}")
        .summed(sums::crc32_after_prefix)
        .finds(&["ghu_nQ8a80WMlla8RHZ303F9YL9BhGY0t31wNy5g"])
        .leaves(&["ghu_nQ8a80WMlla8RHZ303F9YL9BhGY0t31wNy5"]),
    Detector::key("github-server-to-server-token", "GitHub, About authentication to GitHub")
        .at(&["ghs_"])
        .like(r"ghs_[A-Za-z0-9]{36}")
        .summed(sums::crc32_after_prefix)
        .finds(&["ghs_EEjT9UvVaHxw83ao64YoA53J1SkdCY0vu9Xb"])
        .leaves(&["ghs_EEjT9UvVaHxw83ao64YoA53J1SkdCY0vu9X"]),
    Detector::key("github-refresh-token", "GitHub, About authentication to GitHub")
        .at(&["ghr_"])
        .like(r"ghr_[A-Za-z0-9]{36}")
        .summed(sums::crc32_after_prefix)
        .finds(&["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"])
        .leaves(&["ghr_qlbnDhErViH6Mz2Jguw3wmq1guuepS33k5x"]),
    Detector::key("github-fine-grained-token", "GitHub, About authentication to GitHub")
        .at(&["github_pat_"])
        .like(r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}")
        .finds(&["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"])
        .leaves(&["github_pat_bIUpOhcajYHFD6yqanzrYU_9df2yurSyyogcyggGXXMe7zg6gGj5aLh8p8Pk4USCqHRH8C0KMqrXHS6ob"]),
    Detector::key("gitlab-personal-access-token", "GitLab, Token overview")
        .at(&["glpat-"])
        .like(r"glpat-[A-Za-z0-9_-]{20,300}(?:\.[0-9a-z]{2}\.?[0-9a-z]{7,9})?")
        .finds(&["glpat-u1b4i2OQd8PTr26iyzr8BE.8v.e5sympamj"])
        .leaves(&["glpat-u1b4i2OQd8PTr26iyzr"]),
    Detector::key("gitlab-deploy-token", "GitLab, Token overview")
        .at(&["gldt-"])
        .like(r"gldt-[A-Za-z0-9_-]{20}")
        .finds(&["gldt-riV9Q6h0wm8WxF7ldldD"])
        .leaves(&["gldt-riV9Q6h0wm8WxF7ldld"]),
    Detector::key("gitlab-feed-token", "GitLab, Token overview")
        .at(&["glft-"])
        .like(r"glft-[A-Za-z0-9_-]{20}")
        .finds(&["glft-vF5hJeyU942yWXj3ltSq"])
        .leaves(&["glft-vF5hJeyU942yWXj3ltS"]),
    Detector::key("gitlab-incoming-mail-token", "GitLab, Token overview")
        .at(&["glimt-"])
        .like(r"glimt-[A-Za-z0-9_-]{25}")
        .finds(&["glimt-km2atyvMUK7qcQbJoqxsSaJ2X"])
        .leaves(&["glimt-km2atyvMUK7qcQbJoqxsSaJ2"]),
    Detector::key("gitlab-ci-job-token", "GitLab, Token overview")
        .at(&["glcbt-"])
        .like(r"glcbt-[A-Za-z0-9_-]{20,60}")
        .finds(&["glcbt-xskBu15Z3DjLMcRX4da1oFV"])
        .leaves(&["glcbt-xskBu15Z3DjLMcRX4da"]),
    Detector::key("gitlab-scim-token", "GitLab, Token overview")
        .at(&["glsoat-"])
        .like(r"glsoat-[A-Za-z0-9_-]{20}")
        .finds(&["glsoat-is88rF4SI9bQeUeKWi4X"])
        .leaves(&["glsoat-is88rF4SI9bQeUeKWi4"]),
    Detector::key("gitlab-agent-token", "GitLab, Token overview")
        .at(&["glagent-"])
        .like(r"glagent-[A-Za-z0-9_-]{50}")
        .finds(&["glagent-CxLLZx6aLb4tRo7T1ipQ52hruBnEBtKW48cUHZqshmdGM7s42j"])
        .leaves(&["glagent-CxLLZx6aLb4tRo7T1ipQ52hruBnEBtKW48cUHZqshmdGM7s42"]),
    Detector::key("gitlab-feature-flags-token", "GitLab, Token overview")
        .at(&["glffct-"])
        .like(r"glffct-[A-Za-z0-9_-]{20}")
        .finds(&["glffct-gwiIx20rID6Geez5DG65"])
        .leaves(&["glffct-gwiIx20rID6Geez5DG6"]),
    Detector::key("gitlab-workspace-token", "GitLab, Token overview")
        .at(&["glwt-"])
        .like(r"glwt-[A-Za-z0-9_-]{20}")
        .finds(&["glwt-LVmDuvoNNs6OWIqwjdRh"])
        .leaves(&["glwt-LVmDuvoNNs6OWIqwjdR"]),
    Detector::key("gitlab-runner-token", "GitLab, Token overview")
        .at(&["glrt-", "glrtr-", "gr1348941"])
        .like(r"(?:glrtr?-|GR1348941)[A-Za-z0-9_-]{20,60}")
        .finds(&["GR1348941xpWyt1M0qlF2yRkwUMRFPV0s"])
        .leaves(&["GR1348941xpWyt1M0qlF2yRkwUMR"]),
    Detector::key("gitlab-trigger-token", "GitLab, Token overview")
        .at(&["glptt-"])
        .like(r"glptt-[0-9a-f]{40}")
        .finds(&["glptt-c35d2ee5f47e813a6d3569ebb85df49b4884775e"])
        .leaves(&["glptt-c35d2ee5f47e813a6d3569ebb85df49b4884775"]),
    Detector::key("gitlab-oauth-secret", "GitLab, Token overview")
        .at(&["gloas-"])
        .like(r"gloas-[0-9a-f]{64}")
        .finds(&["gloas-d1a9ec302011936fed2c9af2964e93e1d386930b6e38a0be18e6321f91ee7e10"])
        .leaves(&["gloas-d1a9ec302011936fed2c9af2964e93e1d386930b6e38a0be18e6321f91ee7e1"]),
    Detector::key("bitbucket-app-password", "Atlassian, Bitbucket app passwords")
        .at(&["atbb"])
        .like(r"ATBB[A-Za-z0-9]{32}")
        .finds(&["ATBBYethheNE6CrUiRkKsOgp4bBmZwb4miTH"])
        .leaves(&["ATBBYethheNE6CrUiRkKsOgp4bBmZwb4miT"]),
    Detector::key("bitbucket-access-token", "Atlassian, Bitbucket access tokens")
        .at(&["atctt3"])
        .like(r"ATCTT3[A-Za-z0-9_=-]{150,220}")
        .finds(&["ATCTT3dbTKOtW82wI9Hg0jbXcjLb6hGWuWotXPrPpxWU38XzPR8EGGfUOcsdkaUlXku4cbpcs06zDxrMaGGNVtC9tYKe0pBG5U2O1ZjZH5c4R1P3apRvMmFUrjKrKvlD2b9opN1TM54wiky4zrqym6lk5HHpn"])
        .leaves(&["ATCTT3dbTKOtW82wI9Hg0jbXcjLb6hGWuWotXPrPpxWU38XzPR8EGGfUOcsdkaUlXku4cbpcs06zDxrMaGGNVtC9tYKe0pBG5U2O1ZjZH5c4R1P3apRvMmFUrjKrKvlD2b9opN1TM54wiky4zrqym6lk5HH"]),
    Detector::key("atlassian-api-token", "Atlassian, API tokens")
        .at(&["atatt3"])
        .like(r"ATATT3[A-Za-z0-9_=-]{150,220}")
        .finds(&["ATATT3Xcrq77wNPKkeOdqJg88Ppe2hEVC0ry8CNOdccZw7cNzVIo2PCwJ5vrw8OVZqpYGgCpxBHGPIb8esjh35ITgpuY1pGdeciVswa0z7O0GfrlDlTdxLPkM4n01FhM49X2IT4AKTmLjMbQhdy1hJ9sShLjiapk"])
        .leaves(&["ATATT3Xcrq77wNPKkeOdqJg88Ppe2hEVC0ry8CNOdccZw7cNzVIo2PCwJ5vrw8OVZqpYGgCpxBHGPIb8esjh35ITgpuY1pGdeciVswa0z7O0GfrlDlTdxLPkM4n01FhM49X2IT4AKTmLjMbQhdy1hJ9sShL"]),
    Detector::key("circleci-token", "CircleCI, API tokens")
        .at(&["ccipat_", "ccipra_"])
        .like(r"CCIP(?:AT|RA)_[A-Za-z0-9]{22}_[0-9a-f]{40}")
        .finds(&["CCIPAT_eru3fmZ6xBpiazvNFuP5Zb_72d6abd3bbecabba1c9dcafca8aa8b2e5deea9a9"])
        .leaves(&["CCIPAT_eru3fmZ6xBpiazvNFuP5Zb_72d6abd3bbecabba1c9dcafca8aa8b2e5deea9a"]),
    Detector::key("buildkite-token", "Buildkite, API access tokens")
        .at(&["bkua_"])
        .like(r"bkua_[0-9a-f]{40}")
        .finds(&["bkua_c787afeaf2478c813ccc8d69304aee0f035d747a"])
        .leaves(&["bkua_c787afeaf2478c813ccc8d69304aee0f035d747"]),
    Detector::key("sonar-token", "Sonar, token types")
        .at(&["squ_", "sqp_", "sqa_"])
        .like(r"sq[upa]_[0-9a-f]{40}")
        .finds(&["sqa_63c1e455ac9e59c5cd0b169a71419360b31161b6"])
        .leaves(&["sqa_63c1e455ac9e59c5cd0b169a71419360b31161b"]),
    Detector::key("sourcegraph-token", "Sourcegraph, access tokens")
        .at(&["sgp_"])
        .like(r"sgp_(?:(?:[0-9a-f]{16}|local)_)?[0-9a-f]{40}")
        .finds(&["sgp_1fe53e11d53baee7fba43366f0876745072ecef2"])
        .leaves(&["sgp_1fe53e11d53baee7fba43366f0876745072ecef"]),
    Detector::key("postman-api-key", "Postman, API keys")
        .at(&["pmak-"])
        .like(r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}")
        .finds(&["PMAK-90a412dde443ab42d8c2e301-b0dd900ce5efd4c0c4bd42c2bacbaf98e1"])
        .leaves(&["PMAK-90a412dde443ab42d8c2e301-b0dd900ce5efd4c0c4bd42c2bacbaf98e"]),
    Detector::key("snyk-token", "Snyk, service account tokens")
        .at(&["snyk_uat.", "snyk_sat."])
        .like(r"snyk_[us]at\.[0-9a-f]{8}\.[A-Za-z0-9_-]{60,200}(?:\.[A-Za-z0-9_-]{10,100})?")
        .finds(&["snyk_sat.9455632d.2nDamsQkf8cLQz5ZKXypNCm8qD95i2a703P4hfIuKDBn6Rv3mlwu5HvcuGCEa1g.928J52sYeJT"])
        .leaves(&["snyk_sat.9455632d.2nDamsQkf8cLQz5ZKXypNCm8qD95i2a703P4hfIuKDBn6Rv3mlwu5HvcuGC"]),
    Detector::key("npm-token", "npm, About access tokens")
        .at(&["npm_"])
        .like(r"npm_[A-Za-z0-9]{36}")
        .summed(sums::crc32_after_prefix)
        .finds(&["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"])
        .leaves(&["npm_LQXHmfmv6kdZQMpjX7QqHCOPrQrhGs4cdBk"]),
    Detector::key("pypi-token", "PyPI, API tokens")
        .at(&["pypi-age"])
        .like(r"pypi-AgE[A-Za-z0-9_-]{80,250}")
        .finds(&["pypi-AgErfyeRJ1HbMReKa2tAtd78yXKUoaHs0BTVd7WuUhsqVF6YQUk90Wk1UqwJP85B7V9yMpcDYqlwra4acpuP"])
        .leaves(&["pypi-AgErfyeRJ1HbMReKa2tAtd78yXKUoaHs0BTVd7WuUhsqVF6YQUk90Wk1UqwJP85B7V9yMpcDYqlwra4acp"]),
    Detector::key("rubygems-token", "RubyGems, API keys")
        .at(&["rubygems_"])
        .like(r"rubygems_[0-9a-f]{48}")
        .finds(&["rubygems_4ed7545b573f6a69988b422fea0b127dcb6aa520e9a66436"])
        .leaves(&["rubygems_4ed7545b573f6a69988b422fea0b127dcb6aa520e9a6643"]),
    Detector::key("nuget-api-key", "NuGet, API keys")
        .at(&["oy20", "oy21", "oy22", "oy23", "oy24", "oy25", "oy26", "oy27", "oy28", "oy29", "oy2a", "oy2b", "oy2c", "oy2d", "oy2e", "oy2f", "oy2g", "oy2h", "oy2i", "oy2j", "oy2k", "oy2l", "oy2m", "oy2n", "oy2o", "oy2p", "oy2q", "oy2r", "oy2s", "oy2t", "oy2u", "oy2v", "oy2w", "oy2x", "oy2y", "oy2z"])
        .like(r"oy2[a-z0-9]{43}")
        .finds(&["oy203cx7hz0zd8dr7bt5u5xsk06s9s93lcixbw7ahsc6ep"])
        .leaves(&["oy203cx7hz0zd8dr7bt5u5xsk06s9s93lcixbw7ahsc6e"]),
    Detector::key("cargo-token", "Cargo, registry tokens")
        .at(&["cio0", "cio1", "cio2", "cio3", "cio4", "cio5", "cio6", "cio7", "cio8", "cio9", "cioa", "ciob", "cioc", "ciod", "cioe", "ciof", "ciog", "cioh", "cioi", "cioj", "ciok", "ciol", "ciom", "cion", "cioo", "ciop", "cioq", "cior", "cios", "ciot", "ciou", "ciov", "ciow", "ciox", "cioy", "cioz"])
        .like(r"cio[A-Za-z0-9]{32}")
        .finds(&["cioWZ4bjddNpv41WnHj9EtwfKh6WCEWWqTl"])
        .leaves(&["cioWZ4bjddNpv41WnHj9EtwfKh6WCEWWqT"]),
    Detector::key("docker-token", "Docker, access tokens")
        .at(&["dckr_pat_", "dckr_oat_"])
        .like(r"dckr_[po]at_[A-Za-z0-9_-]{27,32}")
        .finds(&["dckr_pat_SWwJPkfHmjYpj3gwqLNbLtY7efxpKfG"])
        .leaves(&["dckr_pat_SWwJPkfHmjYpj3gwqLNbLtY7ef"]),
    Detector::key("packagist-token", "Packagist, API tokens")
        .at(&["packagist_"])
        .like(r"packagist_[a-z]{2,3}_[0-9a-f]{68}")
        .finds(&["packagist_nxc_06fc5a30f0ad895ca43a43d509e219778a8930970c49713174a8244a26df9e645993"])
        .leaves(&["packagist_nxc_06fc5a30f0ad895ca43a43d509e219778a8930970c49713174a8244a26df9e64599"]),
    Detector::key("jfrog-reference-token", "JFrog, access tokens")
        .at(&["cmvmdgtu"])
        .like(r"cmVmdGtu[A-Za-z0-9]{56}")
        .finds(&["cmVmdGtu5fQWlg4moTp0LJZae7hZn0vHjJavui5DgSWuXXbHkP5kHF1Et4tIEK0G"])
        .leaves(&["cmVmdGtu5fQWlg4moTp0LJZae7hZn0vHjJavui5DgSWuXXbHkP5kHF1Et4tIEK0"]),
    Detector::key("artifactory-api-key", "JFrog, Artifactory API keys")
        .at(&["akcp"])
        .like(r"AKCp[A-Za-z0-9]{69}")
        .finds(&["AKCp0zS92lJBzRXIhYc3TjznJIXUjsHmpM4TUCUR9nG5IpdiJcanYERkVfaFKaLMy07famNmc"])
        .leaves(&["AKCp0zS92lJBzRXIhYc3TjznJIXUjsHmpM4TUCUR9nG5IpdiJcanYERkVfaFKaLMy07famNm"]),
    Detector::key("clojars-token", "Clojars, deploy tokens")
        .at(&["clojars_"])
        .like(r"CLOJARS_[0-9a-f]{60}")
        .finds(&["CLOJARS_2dccef46a2aa3b4bf706216413566ef43c3f96f97f8c7b70d3b322f199ec"])
        .leaves(&["CLOJARS_2dccef46a2aa3b4bf706216413566ef43c3f96f97f8c7b70d3b322f199e"]),
];
