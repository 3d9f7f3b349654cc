ARG SIDECAR=schema-readiness-sidecar:0.1.0
ARG APPLICATION=node:24-slim

FROM ${SIDECAR} AS contract
COPY drizzle /drizzle
RUN ["python3", "-m", "sidecar", "export", "drizzle", "/drizzle", "--name", "realtime", "--out", "/tmp/contract.json"]

FROM ${APPLICATION}
COPY --from=contract /tmp/contract.json /contract/contract.json
