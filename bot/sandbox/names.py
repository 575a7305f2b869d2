"""The words of the sample company: names, departments, tags, channels. All invented."""

from __future__ import annotations

#: (id, name; empty: the company's own, English name, parent, order)
DEPARTMENTS = (
    (1, "", "HQ", 0, 100000000),
    (2, "销售部", "Sales", 1, 70),
    (3, "华东销售组", "Sales East", 2, 60),
    (4, "华南销售组", "Sales South", 2, 50),
    (5, "客户成功部", "Customer Success", 1, 40),
    (6, "市场部", "Marketing", 1, 30),
    (7, "人事财务部", "HR & Finance", 1, 20),
)

#: (department, position, holds a seat of 客户联系); members take them in turn.
POSTS = (
    (2, "销售总监", True),
    (3, "销售顾问", True),
    (3, "销售顾问", True),
    (4, "销售顾问", True),
    (4, "高级销售顾问", True),
    (5, "客户成功经理", True),
    (6, "市场专员", True),
    (7, "人事专员", False),
)

SURNAMES = (
    ("王", "Wang"), ("李", "Li"), ("张", "Zhang"), ("刘", "Liu"), ("陈", "Chen"), ("杨", "Yang"), ("黄", "Huang"),
    ("赵", "Zhao"), ("吴", "Wu"), ("周", "Zhou"), ("徐", "Xu"), ("孙", "Sun"), ("马", "Ma"), ("朱", "Zhu"),
    ("胡", "Hu"), ("郭", "Guo"), ("何", "He"), ("林", "Lin"), ("高", "Gao"), ("罗", "Luo"), ("郑", "Zheng"),
    ("梁", "Liang"), ("谢", "Xie"), ("宋", "Song"), ("唐", "Tang"), ("许", "Xv"), ("邓", "Deng"), ("冯", "Feng"),
    ("韩", "Han"), ("曹", "Cao"), ("彭", "Peng"), ("曾", "Zeng"), ("欧阳", "Ouyang"), ("夏", "Xia"),
)  # fmt: skip

#: (given name, pinyin, gender)
GIVEN = (
    ("晓雨", "XiaoYu", 2), ("志强", "ZhiQiang", 1), ("婷婷", "TingTing", 2), ("建国", "JianGuo", 1),
    ("佳怡", "JiaYi", 2), ("浩然", "HaoRan", 1), ("雪梅", "XueMei", 2), ("俊杰", "JunJie", 1), ("欣妍", "XinYan", 2),
    ("文博", "WenBo", 1), ("思琪", "SiQi", 2), ("子轩", "ZiXuan", 1), ("丽娟", "LiJuan", 2), ("国栋", "GuoDong", 1),
    ("若曦", "RuoXi", 2), ("宇航", "YuHang", 1), ("春燕", "ChunYan", 2), ("立新", "LiXin", 1), ("梦瑶", "MengYao", 2),
    ("永康", "YongKang", 1), ("静", "Jing", 2), ("磊", "Lei", 1), ("敏", "Min", 2), ("涛", "Tao", 1),
)  # fmt: skip

#: A customer's name is one of each. Nicknames are as people write them: with signs that break careless programs.
FIRST = (
    "王", "李", "张", "刘", "陈", "杨", "黄", "赵", "吴", "周", "徐", "孙", "马", "朱", "胡", "郭", "何", "林", "高",
    "罗", "郑", "梁", "谢", "宋", "唐", "许", "邓", "冯", "韩", "曹", "彭", "曾", "萧", "程", "蔡", "潘", "袁", "于",
    "阿", "小", "老", "A0", "Mr.", "可爱的", "爱吃的", "向阳", "一只", "微笑", "云上", "南方", "$", "\\1",
    "<b>", "{{", "🌸", "☀️", "O'", "\"Q\"", "安静的", "努力的",
)  # fmt: skip

SECOND = (
    "芳", "伟", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超", "秀英", "霞",
    "平", "刚", "桂英", "晨", "思远", "雨桐", "梓涵", "一诺", "浩宇", "欣怡", "子墨", "诗涵", "佳琪", "俊熙", "语嫣",
    "奶茶", "橙子", "蒲公英", "建材", "妈妈", "同学", "先生", "女士", "大叔", "Lily", "Kevin", "Echo", "🍀", "2号",
)  # fmt: skip

#: What a member wrote behind the name; most wrote nothing.
REMARKS = ("", "", "", "", "", "", "", "-已成交", "-意向高", "（老客户）", "-待回访", " 朋友介绍")

POSITIONS = ("采购经理", "总经理", "行政主管", "店长", "运营负责人")
CORPS = ("青禾餐饮", "海棠酒店", "北辰物流", "拾光文化", "木槿花艺")

TAGS = (
    ("客户等级", ("核心", "重要", "普通")),
    ("购买阶段", ("已复购", "已成交", "比价中", "初次咨询")),
    ("意向产品", ("床品", "餐具", "香薰", "收纳", "定制礼盒")),
    ("来源渠道", ("门店", "官网", "公众号", "直播间", "老客推荐", "展会")),
    ("互动偏好", ("爱看直播", "关注新品", "关注优惠", "勿扰")),
)

#: (state, remark, needs no verification)
CHANNELS = (
    ("store_poster", "门店海报", True),
    ("website", "官网客服", True),
    ("mp_menu", "公众号菜单", True),
    ("live_room", "直播间", True),
    ("referral", "老客户推荐", True),
    ("expo", "展会（需验证）", False),
)

GROUPS = ("福利", "新品体验", "会员", "同城")
NOTICES = ("文明交流，每周五晚八点发福利。", "新品试用报名见群文件。", "", "请勿发布广告。")
