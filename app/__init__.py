"""The app: `streamlit run app/main.py`. main.py navigates, app_pages/ show, parts/ are shared."""
