# SPDX-License-Identifier: Apache-2.0
"""OKX: orders, fills and spread orders.

Names are the venue's in snake case (okx.com/docs-v5, read 2026-11-30).
"""

from __future__ import annotations

from msgspec import UNSET, field

from tidegate.venues.payloads.fields import Absent, Blank, CamelPayload


class Taken(CamelPayload, frozen=True):
    """What became of a request, by order."""

    ord_id: str
    cl_ord_id: str
    tag: str
    s_code: str
    s_msg: str


class AlgoTaken(CamelPayload, frozen=True):
    """What became of a request, by algorithmic order."""

    algo_id: str
    s_code: str
    s_msg: str
    algo_cl_ord_id: str | Absent = UNSET


class AttachedOrder(CamelPayload, frozen=True):
    """A stop or target that hangs on an order."""

    attach_algo_id: str
    attach_algo_cl_ord_id: str
    sl_trigger_px: Blank
    sl_ord_px: Blank
    sl_trigger_px_type: str
    tp_trigger_px: Blank
    tp_ord_px: Blank
    tp_trigger_px_type: str


class LinkedAlgo(CamelPayload, frozen=True):
    """The algorithmic order that made an order."""

    algo_id: str


class Order(CamelPayload, frozen=True):
    """An order of ours."""

    acc_fill_sz: Blank
    avg_px: Blank
    creation_time: Blank = field(name="cTime")
    cancel_source: str
    cancel_source_reason: str
    category: str
    ccy: str
    cl_ord_id: str
    fee: Blank
    fee_ccy: str
    fill_px: Blank
    fill_sz: Blank
    fill_time: Blank
    inst_id: str
    inst_type: str
    is_tp_limit: str
    lever: Blank
    linked_algo_ord: LinkedAlgo
    ord_id: str
    ord_type: str
    pnl: Blank
    pos_side: str
    px: Blank
    px_type: str
    px_usd: str
    px_vol: str
    quick_mgn_type: str
    rebate: Blank
    rebate_ccy: str
    reduce_only: str
    side: str
    sl_ord_px: str
    sl_trigger_px: str
    sl_trigger_px_type: str
    source: str
    state: str
    stp_id: str
    stp_mode: str
    sz: Blank
    tag: str
    td_mode: str
    tgt_ccy: str
    tp_ord_px: str
    tp_trigger_px: str
    tp_trigger_px_type: str
    trade_id: str
    update_time: Blank = field(name="uTime")
    algo_cl_ord_id: str | Absent = UNSET
    algo_id: str | Absent = UNSET
    attach_algo_cl_ord_id: str | Absent = UNSET
    attach_algo_ords: tuple[AttachedOrder, ...] | Absent = UNSET
    exec_type: str | Absent = UNSET
    fill_fwd_px: Blank | Absent = UNSET
    fill_mark_px: Blank | Absent = UNSET
    fill_mark_vol: Blank | Absent = UNSET
    fill_px_usd: Blank | Absent = UNSET
    fill_px_vol: Blank | Absent = UNSET


class AlgoOrder(CamelPayload, frozen=True):
    """An algorithmic order of ours."""

    algo_id: str
    algo_cl_ord_id: str
    cl_ord_id: str
    ord_id: str
    inst_id: str
    inst_type: str
    ord_type: str
    state: str
    side: str
    pos_side: str
    sz: Blank
    actual_sz: Blank
    actual_px: Blank
    trigger_time: Blank
    td_mode: str
    creation_time: Blank = field(name="cTime")
    update_time: Blank = field(name="uTime")
    tag: str
    trigger_px: Blank | Absent = UNSET
    trigger_px_type: str | Absent = UNSET
    ord_px: Blank | Absent = UNSET
    actual_side: str | Absent = UNSET
    px_var: str | Absent = UNSET
    px_spread: str | Absent = UNSET
    px_limit: str | Absent = UNSET
    sz_limit: str | Absent = UNSET
    amend_px_on_trigger_type: str | Absent = UNSET
    sl_trigger_px: Blank | Absent = UNSET
    sl_ord_px: Blank | Absent = UNSET
    sl_trigger_px_type: str | Absent = UNSET
    tp_trigger_px: Blank | Absent = UNSET
    tp_ord_px: Blank | Absent = UNSET
    tp_trigger_px_type: str | Absent = UNSET
    reduce_only: str | Absent = UNSET
    close_fraction: str | Absent = UNSET
    lever: Blank | Absent = UNSET
    notional_usd: Blank | Absent = UNSET


class SpreadOrder(CamelPayload, frozen=True):
    """A spread order of ours."""

    sprd_id: str
    ord_id: str
    cl_ord_id: str
    tag: str
    side: str
    ord_type: str
    sz: Blank
    px: Blank
    avg_px: Blank
    state: str
    acc_fill_sz: Blank
    fill_sz: Blank
    fill_px: Blank
    trade_id: str
    creation_time: Blank = field(name="cTime")
    update_time: Blank = field(name="uTime")
    pending_fill_sz: Blank | Absent = UNSET
    pending_settle_sz: Blank | Absent = UNSET
    canceled_sz: Blank | Absent = UNSET
    cancel_source: str | Absent = UNSET
    code: str | Absent = UNSET
    msg: str | Absent = UNSET
    req_id: str | Absent = UNSET
    amend_result: str | Absent = UNSET


class SpreadFill(CamelPayload, frozen=True):
    """A fill of a spread order."""

    sprd_id: str
    trade_id: str
    ord_id: str
    cl_ord_id: str
    fill_px: Blank
    fill_sz: Blank
    side: str
    exec_type: str
    fee_ccy: str
    fee: Blank
    ts: Blank


class Fill(CamelPayload, frozen=True):
    """One of our fills."""

    inst_type: str
    inst_id: str
    trade_id: str
    ord_id: str
    cl_ord_id: str
    bill_id: str
    fill_px: Blank
    fill_sz: Blank
    side: str
    exec_type: str
    fee_ccy: str
    fee: Blank
    ts: Blank
