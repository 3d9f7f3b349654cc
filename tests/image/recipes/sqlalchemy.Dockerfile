ARG SIDECAR=schema-readiness-sidecar:0.1.0
ARG APPLICATION=application

FROM ${SIDECAR} AS sidecar

FROM ${APPLICATION} AS contract
COPY --from=sidecar /app /sidecar
COPY shop_models.py /src/
WORKDIR /src
RUN PYTHONPATH=/sidecar python3 -m sidecar export sqlalchemy shop_models:Base --name shop --out /tmp/contract.json

FROM ${APPLICATION}
COPY --from=contract /tmp/contract.json /contract/contract.json
