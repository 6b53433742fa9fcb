# Serves one model file. docs/serving.md says how to build and run the image.
FROM python:3.12-slim

COPY pyproject.toml README.md LICENSE /src/
COPY skadaptive /src/skadaptive
RUN pip install --no-cache-dir "/src[serve]"

# A user without rights, who only reads the model.
RUN useradd --system --no-create-home serving
USER serving

EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health')"]

# Mount the folder of the model, not the file alone, so that it can be replaced.
CMD ["skadaptive", "serve", "/models/served.model", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
