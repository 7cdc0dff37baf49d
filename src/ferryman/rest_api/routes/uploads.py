"""Files of subscriptions: uploaded, carried in the background, looked at; dry runs with a report of every row."""

from __future__ import annotations

from ferryman.rest_api import bodies, bodies_stock, rights
from ferryman.rest_api.endpoint import ACCEPTED, Endpoint, Request


async def upload_subscriptions(r: Request) -> bodies_stock.Upload:
    return await r.services.uploads.begin(r.who, r.body, r.call_id)


async def generate_subscriptions(r: Request) -> bodies_stock.Upload:
    return await r.services.uploads.begin(r.who, r.body, r.call_id)


async def list_uploads(r: Request) -> bodies_stock.UploadList:
    found = await r.services.uploads.page(r.tenant, int(r.query.after or 0), r.query.limit)
    items = tuple(one for _, one in found)
    return bodies_stock.UploadList(items=items, next=str(found[-1][0]) if len(found) == r.query.limit else "")


async def show_upload(r: Request) -> bodies_stock.Upload:
    return await r.services.uploads.show(r.tenant, r.path["upload_id"])


async def show_report(r: Request) -> bodies_stock.Report:
    q = r.query
    return await r.services.uploads.report(
        r.tenant, r.path["upload_id"], outcome=q.outcome, after=int(q.after or 0), limit=q.limit
    )


_E = Endpoint
ENDPOINTS = (
    _E("POST", "/uploads", rights.STOCK_WRITE, "Import subscriptions from a file, whole or not at all",
       upload_subscriptions, bodies_stock.Upload, ACCEPTED, body=bodies_stock.NewUpload, once=True, large=True,
       example={"profile_type": "m2m-basic", "content": "SUNDSUQsSU1TSSxLSQo=", "dry_run": True}),
    _E("POST", "/ranges", rights.STOCK_WRITE, "Make subscriptions of a range, whole or not at all; an upload, too",
       generate_subscriptions, bodies_stock.Upload, ACCEPTED, body=bodies_stock.NewRange, once=True,
       example={"profile_type": "m2m-basic", "first_iccid": "898821100000090000", "first_imsi": "001010000900000",
                "count": 500}),
    _E("GET", "/uploads", rights.STOCK_READ, "Uploads of the last 30 days, the newest first", list_uploads,
       bodies_stock.UploadList, query=bodies.NumberQuery),
    _E("GET", "/uploads/{upload_id}", rights.STOCK_READ, "How far an upload is, or what became of it", show_upload,
       bodies_stock.Upload),
    _E("GET", "/uploads/{upload_id}/report", rights.STOCK_READ, "Every row of a dry run or reported import",
       show_report, bodies_stock.Report, query=bodies_stock.ReportQuery),
)  # fmt: skip
