# isamap with its service, on the CPU build of PyTorch where the platform's index has one.
#   docker build -t isamap .
#   docker run --rm -v "$PWD:/work" isamap export --region wuhan --month 2019-06 --max-patches 40 --out data/wuhan
FROM python:3.11-slim
WORKDIR /opt/isamap
COPY . .
ARG PIP_ARGS=""
RUN pip install --no-cache-dir $PIP_ARGS -c constraints.txt ./local_ee ".[runtime]" \
    && useradd --uid 1000 --create-home isamap
USER isamap
WORKDIR /work
ENV ISAMAP_HOME=/home/isamap/isamap
ENTRYPOINT ["isamap"]
