"""What the memory controller decides: queues, order, row policy, refresh, idle ranks."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from archsim.spec import FieldError, Spec, quantity

_QUEUE_MAX = 4096


class Controller(Spec):
    """Queues and scheduling of one channel; docs/dram.md states each choice clock by clock."""

    preset_kind: ClassVar[str] = "controller"

    scheduler: Literal["fcfs", "fr-fcfs"] = Field(
        description="strictly in order of arrival, or the first request whose command may issue"
    )
    arbitration: Literal["column-first", "oldest-first", "round-robin"] = Field(
        description="of several commands that may issue: RD and WR first, the oldest request, or queue after queue"
    )
    rank_arbitration: Literal["oldest", "round-robin"] = Field(
        description="of equal claims on several ranks: the oldest request, or rank after rank"
    )
    row_hit_protection: Literal["none", "older", "all"] = Field(
        description="which waiting hits keep a row from being closed: none, those older than the conflict, all"
    )
    row_hit_cap: int = quantity(
        "", "RD and WR per ACT after which younger hits wait for an older conflict; 0: no cap", ge=0
    )
    protection_cap: int = quantity(
        "", "RD and WR per ACT after which hits no longer protect a row; 0: no cap", ge=0
    )
    activated_first: bool = Field(
        description="a request that has opened its row leaves its place in the queue and goes before all others"
    )
    row_policy: Literal["open", "closed", "timeout"] = Field(
        description="rows stay open, close when nothing waits for them, or close after row_timeout_clk"
    )
    row_timeout_clk: int = quantity(
        "clk", "idle clocks of an open row before it is closed", ge=0, le=1_000_000
    )
    read_queue: int = quantity("", "read requests held", ge=1, le=_QUEUE_MAX)
    write_queue: int = quantity("", "write requests held", ge=1, le=_QUEUE_MAX)
    command_queue: int = quantity(
        "",
        "requests in each queue per bank or rank behind the read and write queues; 0: none",
        ge=0,
        le=_QUEUE_MAX,
    )
    command_queue_scope: Literal["bank", "rank"] = Field(description="what has a command queue of its own")
    write_drain: Literal["watermark", "batch"] = Field(
        description="drain between two watermarks, or all that waited when draining began"
    )
    write_drain_high: int = quantity("", "writes held at which draining starts", ge=1)
    write_drain_low: int = quantity("", "writes held at which draining stops when reads wait", ge=0)
    read_forwarding: bool = Field(description="a read takes its data from a waiting write to the same line")
    write_coalescing: bool = Field(description="a write replaces a waiting write to the same line")
    read_merging: bool = Field(description="reads of one line that wait together take one burst")
    refresh_blocking: Literal["activates", "rank", "channel"] = Field(
        description="what a due refresh holds back: ACT and late RD and WR of its banks, all requests of the rank, "
        "or all requests of the channel"
    )
    refresh_precharge: Literal["all", "each"] = Field(
        description="rows are closed before a refresh by one PREA or bank by bank"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.write_drain_high > self.write_queue:
            raise FieldError(
                f"write_drain_high = {self.write_drain_high}",
                f"must be at most write_queue = {self.write_queue}",
            )
        if self.write_drain_low >= self.write_drain_high:
            raise FieldError(
                f"write_drain_low = {self.write_drain_low}",
                f"must be less than write_drain_high = {self.write_drain_high}",
            )
        if self.arbitration == "round-robin" and not self.command_queue:
            raise FieldError(
                "arbitration = 'round-robin'", "goes over command queues: needs command_queue > 0"
            )
        if self.write_drain == "batch" and not self.command_queue:
            raise FieldError("write_drain = 'batch'", "fills command queues: needs command_queue > 0")
        if self.row_policy == "timeout" and not self.row_timeout_clk:
            raise FieldError("row_timeout_clk = 0", "must be at least 1 for row_policy = 'timeout'")
        if self.activated_first and (self.command_queue or self.scheduler == "fcfs"):
            raise FieldError("activated_first = true", "needs scheduler = 'fr-fcfs' and command_queue = 0")
        return self


#: Above this temperature rows are refreshed twice as often: the extended range of JEDEC's standards.
HOT_C = 85.0


class Refresh(Spec):
    """How rows are kept alive."""

    mode: Literal["all-bank", "per-bank", "same-bank", "none"] = Field(
        description="all banks of a rank at once, one bank, one bank of every bank group, or no refresh at all"
    )
    staggered: bool = Field(description="rank i first refreshes at (i + 1) * tREFI / ranks, not all at tREFI")
    postpone: int = quantity("", "refreshes that may be put off while requests wait", default=0, ge=0, le=8)
    temperature_c: float = quantity(
        "",
        "case temperature in degC; above 85 rows are refreshed twice as often",
        default=45.0,
        ge=-40,
        le=105,
    )
    rank_temperatures_c: tuple[Annotated[float, Field(ge=-40, le=105)], ...] = Field(
        default=(),
        description="the same of each rank, channel by channel, instead of temperature_c; ranks that one controller "
        "refreshes go by the hottest of them",
    )

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what nobody gave, so that systems keep the hash that they had before it could be given."""
        data: dict[str, Any] = handler(self)
        if not self.rank_temperatures_c:
            del data["rank_temperatures_c"]
        return data


class Idle(Spec):
    """What becomes of a rank with nothing to do; 0 clocks: nothing."""

    power_down_clk: int = quantity(
        "clk", "idle clocks before power-down; 0: never", default=0, ge=0, le=1_000_000
    )
    self_refresh_clk: int = quantity(
        "clk", "idle clocks before self-refresh; 0: never", default=0, ge=0, le=100_000_000
    )
