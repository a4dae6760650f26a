# The explorer in a container:  docker build -t ipage-explorer .
# For CUDA:  docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 …  and  docker run --gpus all …
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY requirements.txt requirements-lock.txt ./
RUN pip install -r requirements.txt -c requirements-lock.txt --extra-index-url "$TORCH_INDEX"
RUN --mount=type=bind,target=/src,rw pip install --no-deps .

RUN useradd --create-home --uid 1000 ipage && install --directory --owner ipage /home/ipage/explorer
USER 1000
WORKDIR /home/ipage
ENV IPAGE_HOME=/home/ipage/explorer
VOLUME /home/ipage/explorer

EXPOSE 8501
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
# Within the container every address; 'docker run -p 127.0.0.1:8501:8501' opens it to this machine alone.
ENTRYPOINT ["ipage"]
CMD ["app", "--server.address=0.0.0.0", "--server.headless=true"]
