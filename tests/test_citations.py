"""Whose work a run is made of: the references, what uses which, and how they are printed."""

import json
import string

import bibtexparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import run

import archsim
from archsim import show
from archsim.approx.names import EXAMPLES
from archsim.cache.policies import POLICIES
from archsim.citations import all_references, cite, cite_all, mentioned, modelled
from archsim.citations.bibtex import Entry, read_bibtex
from archsim.citations.used import HERE, rules
from archsim.errors import InputError
from archsim.nmp.designs import _SHIPPED
from archsim.traces import interleave
from archsim.validate import NAMES as VALIDATIONS

BIB = (HERE / "references.bib").read_text(encoding="utf-8")
#: Presets that are archsim's own through and through: nothing in them is from anywhere.
OWN = {("address_map", "ileave"), ("address_map", "roco"), ("address_map", "skylake-64")}


def keys_of(kind, name):
    return set(cite([show.spec_class(kind, name).load(name)]).keys) - {"archsim"}


def system_keys(name, *overrides):
    return set(cite([archsim.load_system(name, overrides)]).keys)


class TestReferences:
    def test_another_reader_finds_the_same_entries_and_fields(self):
        library = bibtexparser.parse_string(BIB)
        assert not library.failed_blocks
        theirs = {entry.key: (entry.entry_type, set(entry.fields_dict)) for entry in library.entries}
        ours = {key: (entry.kind, set(entry.fields)) for key, entry in read_bibtex(BIB, "x").items()}
        assert ours == theirs

    @pytest.mark.parametrize("entry", read_bibtex(BIB, "x").values(), ids=lambda entry: entry.key)
    def test_a_reference_has_what_its_kind_needs(self, entry):
        needed = {
            "inproceedings": {"author", "title", "booktitle", "year"},
            "article": {"author", "title", "journal", "volume", "pages", "year"},
            "techreport": {"author", "title", "institution", "number"},
            "misc": {"author", "title"},
        }
        assert needed[entry.kind] <= set(entry.fields)
        assert "year" in entry.fields or entry.kind == "misc" or "comment" in entry.fields
        for name in entry.fields:
            assert entry.fields[name].strip("{}"), name
        assert entry.fields.get("doi", "10.").startswith("10.")
        assert 1960 <= int(entry.fields.get("year", 2000)) <= 2030

    def test_every_key_that_is_cited_exists_and_every_reference_is_cited(self):
        cited = {key for rule in rules()["model"] for key in rule["keys"]}
        cited |= {key for keys in rules()["mention"].values() for key in keys}
        assert cited == set(all_references()) - {"archsim"}

    def test_every_rule_has_a_case(self):
        """A rule whose values are misspelt would never cite anybody."""
        values = [("policy.name", name) for name in POLICIES] + [
            ("validation.name", name) for name in VALIDATIONS
        ]
        values += [("nmp.multiplier", name) for name in EXAMPLES]  # presets have none
        for kind in show.kinds():
            for name in show.names(kind):
                values += [(f"{kind}.{row.path}", str(row.value)) for row in show.describe(kind, name)]
        from archsim.citations.used import _matches

        for rule in rules()["model"]:
            if rule["where"] == ["analysis.name"]:
                continue
            for pattern in rule.get("values", ["*"]):
                assert any(
                    _matches(where, rule["where"]) and _matches(value, [pattern]) for where, value in values
                ), (
                    rule,
                    pattern,
                )

    @given(
        st.dictionaries(
            st.sampled_from(["author", "title", "year", "note"]),
            st.lists(st.text(string.ascii_letters + string.digits + "\\'-.&=,@", min_size=1), min_size=1).map(
                lambda words: f"{{{words[0]}}} {' '.join(words)}"
            ),
        )
    )
    def test_an_entry_reads_back_as_it_was_written(self, fields):
        entry = Entry("a2000b", "misc", fields)
        assert read_bibtex(str(entry), "x") == {"a2000b": entry}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("@misc{a, title = {x}}\n@misc{a, title = {y}}", "x.bib: line 2: a stands twice"),
            ("\n@misc{a, title = {x}, title = {y}}", "x.bib: line 2: a: title stands twice"),
            ("@misc{a, title = {x}", "x.bib: line 1: a: must end with '}' after its fields"),
            (
                "@misc{a, title = {x",
                "x.bib: line 1: a: title: the brace that opens its value is never closed",
            ),
            ("@misc", "x.bib: line 1: '@' must open an entry, such as @article{key,"),
            ("@misc{a, title = ,", "x.bib: line 1: a: title: must have a value in braces"),
        ],
    )
    def test_what_is_wrong_in_a_bibliography_is_said_with_its_line(self, text, message):
        with pytest.raises(InputError) as refused:
            read_bibtex(text, "x.bib")
        assert str(refused.value) == message


class TestWhatIsCited:
    @pytest.mark.parametrize("kind", show.kinds())
    def test_every_preset_cites_somebody_but_those_that_are_archsims_own(self, kind):
        alone = {(kind, name) for name in show.names(kind) if not keys_of(kind, name)}
        assert alone == {own for own in OWN if own[0] == kind}

    @pytest.mark.parametrize("design", _SHIPPED)
    def test_every_near_memory_design_has_its_paper(self, design):
        assert any(
            f"nmp.design = {design}" in citation.models
            for name in show.names("nmp")
            for citation in cite([show.spec_class("nmp", name).load(name)])
        )

    @pytest.mark.parametrize("standard", show.names("dram"))
    def test_every_dram_has_the_document_of_its_standard(self, standard):
        documents = [key for key in keys_of("dram", standard) if key.startswith("jesd")]
        modelled_after = [
            citation.entry.key
            for citation in cite([show.spec_class("dram", standard).load(standard)])
            if any("standard" in model for model in citation.models)
        ]
        assert len(modelled_after) == 1
        assert modelled_after[0] in documents

    @pytest.mark.parametrize("policy", POLICIES)
    def test_every_cache_policy_has_its_paper(self, policy):
        assert {use.key for use in modelled("policy.name", policy)} - {"libcachesim"}

    @pytest.mark.parametrize("name", VALIDATIONS)
    def test_every_validation_says_what_it_compares_with(self, name):
        assert list(modelled("validation.name", name))

    def test_the_memory_that_is_chosen_brings_its_own_references(self):
        before = system_keys("host-8rank")
        after = system_keys("host-8rank", "dram.preset=hbm3-6400")
        assert "jesd79-4" in before
        assert "jesd79-4" not in after
        assert "jesd238" in after

    def test_only_the_scheduler_that_is_chosen_is_cited(self):
        assert "rixner2000memory" in system_keys("host-8rank")
        assert "rixner2000memory" not in system_keys("host-8rank", "dram.controller.scheduler=fcfs")

    def test_a_multiplier_of_the_units_has_its_paper_and_that_of_its_cost(self):
        plain = system_keys("recnmp-base-8rank")
        assert not {"hashemi2015drum", "mrazek2017evoapprox8b"} & plain
        drum = system_keys("recnmp-base-8rank", "nmp.multiplier=drum6")
        assert drum - plain == {"hashemi2015drum", "mrazek2017evoapprox8b"}

    def test_a_cache_without_size_is_not_there_to_cite(self):
        assert "mattson1970evaluation" not in system_keys("recnmp-base-8rank")
        assert "mattson1970evaluation" in system_keys("recnmp-opt-8rank")

    def test_frames_drawn_at_random_are_no_random_replacement(self):
        assert "belady1966study" not in system_keys("host-8rank")

    def test_a_number_of_the_users_own_cites_nobody(self):
        def numbers(*overrides):
            return {
                path
                for citation in cite([archsim.load_system("host-8rank", overrides)])
                for path in citation.numbers
            }

        assert numbers() - numbers("dram.timing.tRCD=20") == {"dram.timing.tRCD"}

    def test_a_reason_names_the_first_numbers_and_counts_the_others(self):
        recnmp = cite([archsim.load_system("recnmp-opt-8rank")])[1]
        assert recnmp.entry.key == "ke2020recnmp"
        assert recnmp.models == ("nmp.design = recnmp",)
        assert recnmp.reason.endswith(f" and {len(recnmp.numbers) - 3} more")

    def test_a_source_may_name_several(self):
        assert mentioned("RecNMP (ISCA 2020) Table I; equal in Ramulator 2.1's preset") == [
            "ke2020recnmp",
            "luo2024ramulator2",
            "luo2026ramulator21",
        ]
        assert mentioned("stated default") == []


class TestResults:
    def test_a_result_cites_its_system_and_its_generated_trace(self):
        system = archsim.load_system("host-2rank")
        result = archsim.simulate(system, archsim.open_trace("preset:meta-2021", limit=500))
        assert set(result.citations().keys) == set(cite([system]).keys) | {
            "meta-dlrm-datasets",
            "steele2014splitmix",
        }

    def test_a_comparison_cites_all_its_systems(self):
        trace = archsim.open_trace("preset:uniform", limit=500)
        runs = [
            archsim.simulate(archsim.load_system(name), trace) for name in ("host-8rank", "trim-bank-8rank")
        ]
        keys = archsim.compare(runs).citations().keys
        assert set(runs[0].citations().keys) < set(keys)
        assert "park2021trim" in keys

    def test_co_located_models_cite_the_workload_of_each(self):
        traces = [archsim.open_trace(f"preset:{name}", limit=500) for name in ("meta-2021", "recnmp-t1")]
        result = archsim.simulate(archsim.load_system("host-2rank"), interleave([*traces, traces[1]]))
        assert "meta-dlrm-datasets" in result.citations().keys

    def test_a_recorded_trace_cites_no_workload_whatever_its_name(self, tmp_path):
        (tmp_path / "zipf.txt").write_text("1 2 3\n4 5\n")
        trace = archsim.open_trace(tmp_path / "zipf.txt", rows=10)
        result = archsim.simulate(archsim.load_system("host-2rank"), trace)
        assert trace.name == "zipf"
        assert set(result.citations().keys) == set(cite([result.system]).keys)

    def test_citations_are_printed_as_bibtex_with_archsim_first(self):
        found = cite([archsim.load_system("host-2rank")])
        library = bibtexparser.parse_string(str(found))
        assert not library.failed_blocks
        assert tuple(entry.key for entry in library.entries) == found.keys
        assert found.keys[0] == "archsim"
        assert library.entries[0].fields_dict["version"].value == archsim.__version__


class TestCommandLine:
    def test_cite_prints_what_the_python_call_does(self):
        done = run("cite", "recnmp-opt-8rank", "preset:zipf")
        specs = [archsim.load_system("recnmp-opt-8rank"), show.spec_class("workload", "zipf").load("zipf")]
        assert done.status == 0, done.err
        assert done.out == f"{cite(specs)}\n"

    def test_cite_takes_any_kind_of_preset_a_policy_and_an_analysis(self):
        names = [
            "policy:s3fifo",
            "analysis:miss-ratio-curve-of-a-sample",
            "dram:ddr5-4800",
            "system:host-2rank",
        ]
        done = run("cite", *names, "--json")
        keys = {entry["key"] for entry in json.loads(done.out)}
        assert {"yang2023s3fifo", "waldspurger2015shards", "jesd79-5", "jesd79-4", "archsim"} <= keys

    def test_all_references_are_printed(self):
        assert run("cite", "--all").out == f"{cite_all()}\n"
        assert len(cite_all()) == len(all_references())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["policy:siev"], "policy:siev: unknown policy (did you mean 'sieve'?)"),
            (["preset:zip"], "workload 'zip': unknown workload preset (did you mean 'zipf'?)"),
            (["host-8rnk"], "system 'host-8rnk': unknown system preset (did you mean 'host-8rank'?)"),
            (["--all", "host-8rank"], "--all: takes no names and no --set"),
            (
                ["policy:lru", "--set", "dram.timing.tRCD=1"],
                "--set dram.timing.tRCD=1: is for systems, and none is named",
            ),
        ],
    )
    def test_what_cannot_be_cited_is_one_line(self, arguments, message):
        done = run("cite", *arguments)
        assert (done.status, done.out, done.err) == (2, "", f"archsim: error: {message}\n")
